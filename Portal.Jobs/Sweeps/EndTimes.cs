using Npgsql;
using Portal.Core.Data;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Stops, never deletes, a workspace at its end time. One that is to run for a duration has no end time before it is ready. A workspace that something
/// else holds, or that cannot be stopped, is left for the next time, and holds up no other.
/// </summary>
public sealed class EndTimes(NpgsqlDataSource data, RunStore runs, ILogger<EndTimes> log)
{
    private const int AtOnce = 500;

    private const string Over = """
        select w.id, r.number, r.phase, w.requested_run from portal.workspaces w
        join lateral (select * from portal.runs where workspace_id = w.id order by number desc limit 1) r on true
        where w.run_for is null and w.end_at <= clock_timestamp() and w.deleted_at is null
          and (r.kind = 'Resize' or (r.kind in ('Launch', 'Start') and r.phase not in ('Failed', 'Cancelled')))
          and coalesce(w.requested_run, 'Resize') = 'Resize'
        """;

    public async Task RunAsync(CancellationToken cancel)
    {
        var stopped = false;
        foreach (var id in await OverAsync(cancel))
        {
            try { stopped |= await StopAsync(id, cancel); }
            catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
            {
                log.LogWarning("Workspace {Workspace} could not be stopped at its end time: {Error}", id, e.Message);
            }
        }
        if (stopped) await runs.WakeDispatcherAsync(cancel);
    }

    private async Task<IReadOnlyList<Guid>> OverAsync(CancellationToken cancel)
    {
        await using var read = data.CreateCommand($"select id from ({Over} order by w.end_at limit {AtOnce}) o");
        await using var reader = await read.ExecuteReaderAsync(cancel);
        var over = new List<Guid>();
        while (await reader.ReadAsync(cancel)) over.Add(reader.GetGuid(0));
        return over;
    }

    /// <summary>
    /// Orders a Stop if it is ready; if it is still coming up or being resized, records a requested
    /// Stop, which its run reads. Checked again under the workspace's lock:
    /// a run that has ended in the meantime reads no requested run, and one made by a person takes precedence.
    /// </summary>
    private async Task<bool> StopAsync(Guid id, CancellationToken cancel)
    {
        await using var connection = await data.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await using (var take = new NpgsqlCommand(Locks.TryWorkspace, connection, transaction) { Parameters = { new() { Value = id } } })
            if (await take.ExecuteScalarAsync(cancel) is not true) return false;
        await using var stop = new NpgsqlCommand($"""
            with over as ({Over} and w.id = $1),
              ordered as (insert into portal.runs (workspace_id, number, kind)
                select id, number + 1, 'Stop' from over where phase in ('Succeeded', 'Failed', 'Cancelled')),
              requested as (update portal.workspaces w set requested_run = 'Stop' from over o
                where w.id = o.id and o.phase not in ('Succeeded', 'Failed', 'Cancelled'))
            insert into portal.log_lines (workspace_id, severity, text) select id, 'Warn', 'Its end time has come: it is stopped, the files are kept.' from over
            """, connection, transaction)
        { Parameters = { new() { Value = id } } };
        var stopped = await stop.ExecuteNonQueryAsync(cancel) > 0;
        await transaction.CommitAsync(cancel);
        return stopped;
    }
}
