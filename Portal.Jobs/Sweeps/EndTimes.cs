using Npgsql;
using Portal.Jobs.Runs;

namespace Portal.Jobs.Sweeps;

/// <summary>At its end time a workspace is stopped, never deleted.</summary>
public sealed class EndTimes(NpgsqlDataSource data, RunStore runs)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        // Ready ones get a Stop of their own; those that are still coming up or being resized get the wish, which their run reads.
        await using var stop = data.CreateCommand("""
            with over as (select w.id, r.number, r.phase, r.kind from portal.workspaces w
                          join lateral (select * from portal.runs where workspace_id = w.id order by number desc limit 1) r on true
                          where w.end_at <= clock_timestamp() and w.deleted_at is null and (r.kind = 'Resize' or (r.kind in ('Launch', 'Start') and r.phase not in ('Failed', 'Cancelled'))) and coalesce(w.wish, 'Resize') = 'Resize'
                          order by w.end_at limit 500),
              locked as (select o.*, pg_try_advisory_xact_lock(hashtextextended('workspace ' || o.id, 0)) as mine from over o),
              ordered as (insert into portal.runs (workspace_id, number, kind) select id, number + 1, 'Stop' from locked where mine and phase in ('Succeeded', 'Failed', 'Cancelled') on conflict do nothing),
              wished as (update portal.workspaces w set wish = 'Stop' from locked l where l.mine and w.id = l.id and l.phase not in ('Succeeded', 'Failed', 'Cancelled'))
            insert into portal.log_lines (workspace_id, level, text) select id, 'Warn', 'Its end time has come: it is stopped, the files are kept.' from locked where mine
            """);
        if (await stop.ExecuteNonQueryAsync(cancel) > 0) await runs.RingAsync(cancel);
    }
}
