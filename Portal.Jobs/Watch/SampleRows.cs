using Npgsql;
using NpgsqlTypes;
using Portal.Core.Metrics;

namespace Portal.Jobs.Watch;

/// <summary>Writes measurements: one statement for all nodes, one for all counts. Two processes that measure the same span write it once.</summary>
public sealed class SampleRows(NpgsqlDataSource data)
{
    public async Task WriteAsync(IReadOnlyList<Sample> samples, CancellationToken cancel)
    {
        if (samples.Count == 0) return;
        await using var write = data.CreateCommand("""
            insert into portal.samples (workspace_id, node, at, span, cpu, cpu_most, throttled,
              memory_bytes, memory_most, memory_limit_bytes, out_of_memory_kills, restarts, pids, net_in, net_out, disk_read, disk_written)
            select s.workspace_id, s.node, s.at, s.span, s.cpu, s.cpu_most, s.throttled,
              s.memory_bytes, s.memory_most, s.memory_limit_bytes, s.kills, coalesce(n.restarts, 0),
              s.pids, s.net_in, s.net_out, s.disk_read, s.disk_written
            from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
              as s(workspace_id, node, at, span, cpu, cpu_most, throttled,
                memory_bytes, memory_most, memory_limit_bytes, kills, pids, net_in, net_out, disk_read, disk_written)
            join portal.workspaces w on w.id = s.workspace_id
            left join portal.nodes n on n.workspace_id = s.workspace_id and n.name = s.node
            on conflict do nothing
            """);
        Add(write, samples, NpgsqlDbType.Uuid, s => s.WorkspaceId);
        Add(write, samples, NpgsqlDbType.Text, s => s.Node);
        Add(write, samples, NpgsqlDbType.TimestampTz, s => s.At.UtcDateTime);
        Add(write, samples, NpgsqlDbType.Integer, s => s.Span);
        foreach (var real in (Func<Sample, double>[])[s => s.Cpu, s => s.CpuMost, s => s.Throttled]) Add(write, samples, NpgsqlDbType.Double, real);
        foreach (var whole in (Func<Sample, long>[])[s => s.MemoryBytes, s => s.MemoryMost, s => s.MemoryLimitBytes, s => s.OutOfMemoryKills])
            Add(write, samples, NpgsqlDbType.Bigint, whole);
        Add(write, samples, NpgsqlDbType.Integer, s => s.Pids);
        foreach (var whole in (Func<Sample, long>[])[s => s.NetIn, s => s.NetOut, s => s.DiskRead, s => s.DiskWritten])
            Add(write, samples, NpgsqlDbType.Bigint, whole);
        await write.ExecuteNonQueryAsync(cancel);
    }

    public async Task WriteAsync(IReadOnlyList<Count> counts, CancellationToken cancel)
    {
        if (counts.Count == 0) return;
        await using var write = data.CreateCommand("""
            insert into portal.counts (workspace_id, name, at, span, value, most)
            select c.workspace_id, c.name, c.at, c.span, c.value, c.most from unnest($1, $2, $3, $4, $5, $6) as c(workspace_id, name, at, span, value, most)
            join portal.workspaces w on w.id = c.workspace_id
            on conflict do nothing
            """);
        Add(write, counts, NpgsqlDbType.Uuid, c => c.WorkspaceId);
        Add(write, counts, NpgsqlDbType.Text, c => c.Name);
        Add(write, counts, NpgsqlDbType.TimestampTz, c => c.At.UtcDateTime);
        Add(write, counts, NpgsqlDbType.Integer, c => c.Span);
        Add(write, counts, NpgsqlDbType.Double, c => c.Value);
        Add(write, counts, NpgsqlDbType.Double, c => c.Most);
        await write.ExecuteNonQueryAsync(cancel);
    }

    private static void Add<TRow, TValue>(NpgsqlCommand command, IReadOnlyList<TRow> rows, NpgsqlDbType type, Func<TRow, TValue> value) =>
        command.Parameters.Add(new() { Value = rows.Select(value).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type });
}
