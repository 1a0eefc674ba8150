using Npgsql;

namespace Portal.Benchmarks;

/// <summary>Statements so far in one database, counted by it, for each role of the product; those that name Hangfire's schema separately.</summary>
internal sealed record StatementCounts(IReadOnlyDictionary<string, double> Of)
{
    public double Sum => Of.Values.Sum();

    public static async Task<StatementCounts> ReadAsync(NpgsqlDataSource rows, CancellationToken cancel)
    {
        await using (var make = rows.CreateCommand("create extension if not exists pg_stat_statements")) await make.ExecuteNonQueryAsync(cancel);
        await using var ask = rows.CreateCommand("""
            select case when s.query ilike '%hangfire%' then 'Hangfire' else r.rolname end, sum(s.calls)::float8
            from pg_stat_statements s join pg_roles r on r.oid = s.userid
            where s.dbid = (select oid from pg_database where datname = current_database()) and r.rolname like 'portal%' group by 1
            """);
        await using var read = await ask.ExecuteReaderAsync(cancel);
        var counts = new Dictionary<string, double>(StringComparer.Ordinal);
        while (await read.ReadAsync(cancel)) counts[read.GetString(0)] = read.GetDouble(1);
        return new(counts);
    }

    /// <summary>The statements that were run most often since the counts were last cleared, per second.</summary>
    public static async Task<IReadOnlyList<string>> MostAsync(NpgsqlDataSource rows, double seconds, CancellationToken cancel)
    {
        await using var ask = rows.CreateCommand("""
            select s.calls::float8, r.rolname || ': ' || left(regexp_replace(s.query, '\s+', ' ', 'g'), 150)
            from pg_stat_statements s join pg_roles r on r.oid = s.userid
            where s.dbid = (select oid from pg_database where datname = current_database()) and r.rolname like 'portal%' order by 1 desc limit 25
            """);
        await using var read = await ask.ExecuteReaderAsync(cancel);
        var most = new List<string>();
        while (await read.ReadAsync(cancel)) most.Add($"{Report.N(read.GetDouble(0) / seconds)} {read.GetString(1)}");
        return most;
    }

    /// <summary>Statements per second since an earlier reading.</summary>
    public StatementCounts Since(StatementCounts earlier, double seconds) =>
        new(Of.ToDictionary(c => c.Key, c => (c.Value - earlier.Of.GetValueOrDefault(c.Key)) / seconds, StringComparer.Ordinal));

    public override string ToString() => string.Join(", ", Of.OrderByDescending(c => c.Value).Select(c => $"{c.Key} {Report.N(c.Value)}"));
}
