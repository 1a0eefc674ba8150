using Npgsql;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Steps;

/// <summary>Ends reservations, resource by resource, each only after it was confirmed gone. Every write is fenced by the run's version.</summary>
public sealed class ReleaseRows(NpgsqlDataSource data)
{
    private const string Mine = "mine as (select workspace_id from portal.runs where id = $1 and version = $2 and phase = 'Active' for update)";

    public Task NodesGoneAsync(HeldRun run, CancellationToken cancel) => FencedAsync(run, $"""
        with {Mine},
          quota as (update portal.reservations r set ended_at = clock_timestamp() from mine
            where r.workspace_id = mine.workspace_id and r.kind = 'Compute' and r.ended_at is null),
          capacity as (update portal.capacity_claims c set ended_at = clock_timestamp() from mine
            where c.workspace_id = mine.workspace_id and c.ended_at is null),
          apps as (delete from portal.app_sessions a using mine where a.workspace_id = mine.workspace_id),
          nodes as (delete from portal.nodes n using mine where n.workspace_id = mine.workspace_id)
        select workspace_id, pg_notify('portal_runs', '') from mine
        """, cancel);

    /// <summary>Ends reservations and claims of nodes that are neither wanted nor seen, each separately.</summary>
    /// <param name="keep">Names of the nodes that are wanted or seen.</param>
    public Task NodesGoneAsync(HeldRun run, IReadOnlyCollection<string> keep, CancellationToken cancel) => FencedAsync(run, $"""
        with {Mine},
          quota as (update portal.reservations r set ended_at = clock_timestamp() from mine
            where r.workspace_id = mine.workspace_id and r.kind = 'Compute' and r.ended_at is null and r.node <> all($3)),
          capacity as (update portal.capacity_claims c set ended_at = clock_timestamp() from mine
            where c.workspace_id = mine.workspace_id and c.ended_at is null and c.node <> all($3)),
          nodes as (delete from portal.nodes n using mine where n.workspace_id = mine.workspace_id and n.name <> all($3))
        select workspace_id, pg_notify('portal_runs', '') from mine
        """, cancel, (object)keep.ToArray());

    /// <summary>Sets the number of workers.</summary>
    public Task KeepWorkersAsync(HeldRun run, int workers, CancellationToken cancel) => FencedAsync(run, $"""
        with {Mine},
          kept as (update portal.workspaces w set workers = $3 from mine where w.id = mine.workspace_id and w.workers <> $3)
        select workspace_id from mine
        """, cancel, workers);

    public Task AddressFreeAsync(HeldRun run, CancellationToken cancel) => FencedAsync(run, $"""
        with {Mine},
          held as (update portal.subnets s set released_at = clock_timestamp() from mine where s.workspace_id = mine.workspace_id and s.released_at is null),
          named as (update portal.workspaces w set subnet = null from mine where w.id = mine.workspace_id)
        select workspace_id from mine
        """, cancel);

    public Task ScratchGoneAsync(HeldRun run, CancellationToken cancel) => FencedAsync(run, $"""
        with {Mine},
          quota as (update portal.reservations r set ended_at = clock_timestamp() from mine
            where r.workspace_id = mine.workspace_id and r.kind = 'Scratch' and r.ended_at is null)
        select workspace_id from mine
        """, cancel);

    /// <summary>Ends reservations of nodes that are not wanted and whose scratch folder was confirmed removed.</summary>
    public Task ScratchGoneAsync(HeldRun run, IReadOnlyCollection<string> keep, CancellationToken cancel) => FencedAsync(run, $"""
        with {Mine},
          quota as (update portal.reservations r set ended_at = clock_timestamp() from mine
            where r.workspace_id = mine.workspace_id and r.kind = 'Scratch' and r.ended_at is null and r.node <> all($3))
        select workspace_id from mine
        """, cancel, (object)keep.ToArray());

    public Task ForgetAsync(HeldRun run, CancellationToken cancel) => FencedAsync(run, $"""
        with {Mine},
          quota as (update portal.reservations r set ended_at = clock_timestamp() from mine where r.workspace_id = mine.workspace_id and r.ended_at is null),
          tickets as (delete from portal.app_tickets t using mine where t.workspace_id = mine.workspace_id),
          gone as (update portal.workspaces w set deleted_at = coalesce(w.deleted_at, clock_timestamp()) from mine where w.id = mine.workspace_id)
        select workspace_id from mine
        """, cancel);

    private async Task FencedAsync(HeldRun run, string sql, CancellationToken cancel, params object[] more)
    {
        await using var command = data.CreateCommand(sql);
        command.Parameters.Add(new() { Value = run.Id });
        command.Parameters.Add(new() { Value = run.Version });
        foreach (var value in more) command.Parameters.Add(new() { Value = value });
        if (await command.ExecuteScalarAsync(cancel) is null) throw new LeaseLostException(run.Id);
    }
}
