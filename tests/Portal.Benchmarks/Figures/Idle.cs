namespace Portal.Benchmarks.Figures;

/// <summary>Cost of an idle installation: statements per second, counted by the database, and
/// memory of both processes; with no notebooks and with twenty.</summary>
internal sealed class Idle() : Figure("idle")
{
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(15);

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await MeasureAsync(bench, "with no notebooks", cancel);
        await bench.TogetherAsync(cancel);
        await MeasureAsync(bench, $"with {Bench.Many} notebooks", cancel);
    }

    private static async Task MeasureAsync(Bench bench, string when, CancellationToken cancel)
    {
        await bench.SettledAsync(cancel);
        await Task.Delay(Rest, TimeProvider.System, cancel);
        var window = TimeSpan.FromSeconds(bench.Times(60, 10));
        var (before, start) = (await CountsAsync(bench, cancel), TimeProvider.System.GetTimestamp());
        await Task.Delay(window, TimeProvider.System, cancel);
        var (after, seconds) = (await CountsAsync(bench, cancel), TimeProvider.System.GetElapsedTime(start).TotalSeconds);
        var rate = after.ToDictionary(c => c.Key, c => (c.Value - before.GetValueOrDefault(c.Key)) / seconds, StringComparer.Ordinal);
        bench.Report.Say($"statements per second {when}",
            $"{Report.N(rate.Values.Sum())}: {string.Join(", ", rate.OrderByDescending(r => r.Value).Select(r => $"{r.Key} {Report.N(r.Value)}"))}");
        bench.Report.Say($"memory {when}", $"Jobs {Memory(bench.It.Jobs.Id)}; web {Memory(bench.It.Web.Id)}");
    }

    /// <summary>Statements so far, per role; those that name Hangfire's schema separately. Begin and commit of its transactions count as Jobs'.</summary>
    private static async Task<Dictionary<string, long>> CountsAsync(Bench bench, CancellationToken cancel)
    {
        await using (var make = bench.Command("create extension if not exists pg_stat_statements")) await make.ExecuteNonQueryAsync(cancel);
        await using var ask = bench.Command("""
            select case when s.query ilike '%hangfire%' then 'Hangfire' else r.rolname end as who, sum(s.calls)::int8
            from pg_stat_statements s join pg_roles r on r.oid = s.userid
            where s.dbid = (select oid from pg_database where datname = current_database()) and r.rolname like 'portal%' group by 1
            """);
        await using var rows = await ask.ExecuteReaderAsync(cancel);
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        while (await rows.ReadAsync(cancel)) counts[rows.GetString(0)] = rows.GetInt64(1);
        return counts;
    }

    private static string Memory(int process)
    {
        var kib = File.ReadLines($"/proc/{process}/smaps_rollup")
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(l => l[0] is "Rss:" or "Pss:")
            .ToDictionary(l => l[0], l => long.Parse(l[1], System.Globalization.CultureInfo.InvariantCulture), StringComparer.Ordinal);
        return $"RSS {kib["Rss:"] >> 10} MiB, PSS {kib["Pss:"] >> 10} MiB";
    }
}
