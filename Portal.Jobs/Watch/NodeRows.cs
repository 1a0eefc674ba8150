using Npgsql;
using NpgsqlTypes;
using Portal.Core.Clouds;

namespace Portal.Jobs.Watch;

/// <summary>Writes the observed nodes as rows: pages and the proxy know nodes only from here.</summary>
public sealed class NodeRows(NpgsqlDataSource data)
{
    private const int History = 40;

    /// <summary>
    /// Writes what is seen of one workspace now. Rows of nodes that are not seen are removed, except those being restarted, whose count
    /// is kept for the new container; nothing is written if nothing changed, because each write notifies pages. Null: nothing is seen.
    /// </summary>
    public async Task SeeAsync(Guid workspace, ClusterStatus? now, CancellationToken cancel)
    {
        var nodes = now?.Nodes ?? [];
        await using var batch = data.CreateBatch();
        var names = nodes.Select(n => n.Name).ToArray();
        batch.BatchCommands.Add(new("""
            delete from portal.nodes n using portal.workspaces w
            where n.workspace_id = $1 and w.id = $1 and n.name <> all($2) and not (n.restarts > 0 and n.generation = w.generation)
            """)
        {
            Parameters = { P(workspace), P(names) }
        });
        batch.BatchCommands.Add(
            new("update portal.nodes set running = false, address = null, mapped_ports = '{}' where workspace_id = $1 and name <> all($2) and running")
            {
                Parameters = { P(workspace), P(names) }
            });
        foreach (var n in nodes)
            batch.BatchCommands.Add(new("""
                insert into portal.nodes as n (workspace_id, name, role, generation, running, address, mapped_ports, exit_code,
                  out_of_memory_kills, cpu_history, memory_bytes, memory_limit_bytes, throttled, pids, seen_at)
                select $1, $2, $3, $4, $5, $6, $9, $7, $8, '{}', 0, 0, 0, 0, clock_timestamp() from portal.workspaces w where w.id = $1
                on conflict (workspace_id, name) do update set
                  role = excluded.role, running = excluded.running, address = excluded.address, mapped_ports = excluded.mapped_ports,
                  exit_code = excluded.exit_code, seen_at = excluded.seen_at,
                  out_of_memory_kills = case when n.generation = excluded.generation
                    then greatest(n.out_of_memory_kills, excluded.out_of_memory_kills) else excluded.out_of_memory_kills end,
                  restarts = case when n.generation = excluded.generation then n.restarts else 0 end,
                  cpu_history = case when n.generation = excluded.generation then n.cpu_history else '{}' end, generation = excluded.generation
                where (n.role, n.running, n.address, n.mapped_ports, n.exit_code, n.generation) is distinct from
                      (excluded.role, excluded.running, excluded.address, excluded.mapped_ports, excluded.exit_code, excluded.generation)
                   or excluded.out_of_memory_kills > n.out_of_memory_kills
                """)
            {
                Parameters = { P(workspace), P(n.Name), P(n.Role), P(n.Generation), P(n.State == NodeState.Running),
                    P(n.State == NodeState.Running ? n.Address : null, NpgsqlDbType.Text), P(n.ExitCode, NpgsqlDbType.Integer), P(n.OutOfMemory ? 1L : 0L),
                    P(n.State == NodeState.Running ? n.MappedPorts.Select(p => p.ToString()).ToArray() : []) },
            });
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>A node that exited on its own is about to be recreated; returns how many times in this generation.</summary>
    public async Task<int> BeginAgainAsync(Guid workspace, string node, string role, int generation, CancellationToken cancel)
    {
        await using var write = data.CreateCommand("""
            insert into portal.nodes as n (workspace_id, name, role, generation, running, mapped_ports,
              out_of_memory_kills, cpu_history, memory_bytes, memory_limit_bytes, throttled, pids, restarts, seen_at)
            values ($1, $2, $3, $4, false, '{}', 0, '{}', 0, 0, 0, 0, 1, clock_timestamp())
            on conflict (workspace_id, name) do update set
              running = false, address = null, mapped_ports = '{}',
              restarts = case when n.generation = excluded.generation then n.restarts + 1 else 1 end, generation = excluded.generation
            returning restarts
            """);
        foreach (var value in (object[])[workspace, node, role, generation]) write.Parameters.Add(P(value));
        return (int)(await write.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>
    /// Readings with the share of the CPU limit used since the previous one, in one statement for all nodes. Rows that others have locked keep their last
    /// reading: waiting for many rows at once could deadlock with a transaction that waits for these.
    /// </summary>
    public async Task MeasureAsync(IReadOnlyList<Reading> readings, CancellationToken cancel)
    {
        if (readings.Count == 0) return;
        await using var write = data.CreateCommand($"""
            with read as (
              select n.workspace_id, n.name, r.cpu, r.throttled, r.memory, r.memory_limit, r.kills, r.pids from portal.nodes n
              join unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as r(workspace_id, name, generation, cpu, throttled, memory, memory_limit, kills, pids)
                using (workspace_id, name, generation)
              for update of n skip locked)
            update portal.nodes n set cpu_history = (n.cpu_history || read.cpu)[greatest(1, cardinality(n.cpu_history) + 2 - {History}):],
              throttled = read.throttled, memory_bytes = read.memory, memory_limit_bytes = read.memory_limit,
              out_of_memory_kills = greatest(n.out_of_memory_kills, read.kills), pids = read.pids, seen_at = clock_timestamp()
            from read where n.workspace_id = read.workspace_id and n.name = read.name
            """);
        void Add<T>(Func<Reading, T> value) => write.Parameters.Add(P(readings.Select(value).ToArray()));
        Add(r => r.Sample.Workspace);
        Add(r => r.Sample.Node);
        Add(r => r.Sample.Generation);
        Add(r => r.Cpu);
        Add(r => r.Throttled);
        Add(r => r.Sample.MemoryBytes);
        Add(r => r.Sample.MemoryLimitBytes);
        Add(r => r.Sample.OutOfMemoryKills);
        Add(r => r.Sample.Pids);
        await write.ExecuteNonQueryAsync(cancel);
    }

    private static NpgsqlParameter P(object value) => new() { Value = value };

    private static NpgsqlParameter P(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}
