using Npgsql;
using Portal.Core.Metrics;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Rolls up short spans into longer ones and deletes those past their retention. Only complete spans, some time after their end, so that each rollup is
/// right when written and repeating changes nothing; it continues after the last rollup, however long ago that was.
/// </summary>
public sealed class Rollup(NpgsqlDataSource data)
{
    /// <summary>Margin for spans that are written a few seconds after their end.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(30);

    public async Task RunAsync(CancellationToken cancel)
    {
        await using var batch = data.CreateBatch();
        Add(batch, Samples, Spans.Raw, Spans.Minute, Spans.KeepRaw);
        Add(batch, Samples, Spans.Minute, Spans.TenMinutes, Spans.KeepMinutes);
        Add(batch, Counts, Spans.RawCounts, Spans.Minute, Spans.KeepRaw);
        Add(batch, Counts, Spans.Minute, Spans.TenMinutes, Spans.KeepMinutes);
        foreach (var table in (string[])["samples", "counts"])
        {
            Forget(batch, table, table == "samples" ? Spans.Raw : Spans.RawCounts, Spans.KeepRaw);
            Forget(batch, table, Spans.Minute, Spans.KeepMinutes);
            Forget(batch, table, Spans.TenMinutes, Spans.KeepTenMinutes);
        }
        await batch.ExecuteNonQueryAsync(cancel);
    }

    // now(), not the clock: all statements of the batch are one transaction and see the same
    // moment, or a ten-minute rollup might be made before its last minute is.
    // From the last rollup, at most as far back as short spans are kept; up to the last complete one.
    private static string Window(string table) => $"""
        at >= greatest(coalesce((select max(at) from portal.{table} where span = $2), '-infinity'), date_bin($3, now() - $4, 'epoch') + $3)
          and at < date_bin($3, now() - $5, 'epoch')
        """;

    private static readonly string Samples = $"""
        insert into portal.samples (workspace_id, node, at, span, cpu, cpu_most, throttled,
          memory_bytes, memory_most, memory_limit_bytes, out_of_memory_kills, restarts, pids, net_in, net_out, disk_read, disk_written)
        select workspace_id, node, date_bin($3, at, 'epoch'), $2, avg(cpu), max(cpu_most), avg(throttled),
          avg(memory_bytes)::bigint, max(memory_most), max(memory_limit_bytes), sum(out_of_memory_kills)::bigint,
          max(restarts), max(pids), sum(net_in)::bigint, sum(net_out)::bigint, sum(disk_read)::bigint, sum(disk_written)::bigint
        from portal.samples where span = $1 and {Window("samples")}
        group by workspace_id, node, date_bin($3, at, 'epoch') on conflict do nothing
        """;

    private static readonly string Counts = $"""
        insert into portal.counts (workspace_id, name, at, span, value, most)
        select workspace_id, name, date_bin($3, at, 'epoch'), $2, avg(value), max(most)
        from portal.counts where span = $1 and {Window("counts")}
        group by workspace_id, name, date_bin($3, at, 'epoch') on conflict do nothing
        """;

    private static void Add(NpgsqlBatch batch, string sql, TimeSpan fine, TimeSpan coarse, TimeSpan kept) => batch.BatchCommands.Add(new(sql)
    {
        Parameters = { P((int)fine.TotalSeconds), P((int)coarse.TotalSeconds), P(coarse), P(kept), P(Late) },
    });

    private static void Forget(NpgsqlBatch batch, string table, TimeSpan span, TimeSpan keep) =>
        batch.BatchCommands.Add(new($"delete from portal.{table} where span = $1 and at < now() - $2")
        {
            Parameters = { P((int)span.TotalSeconds), P(keep) },
        });

    private static NpgsqlParameter P(object value) => new() { Value = value };
}
