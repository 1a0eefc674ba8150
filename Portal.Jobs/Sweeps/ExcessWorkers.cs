using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Quotas;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;
using Portal.Jobs.Steps;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Removes workers that a Resize left behind: a stop ended it before it had finished, or a call by a dead worker succeeded after it.
/// Only for workspaces whose runs ended some time ago, and under their locks, so that no new run begins in the meantime.
/// </summary>
public sealed class ExcessWorkers(
    IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, LeavingWorkers leavingWorkers, TimeProvider clock, ILogger<ExcessWorkers> log)
{
    public async Task RunAsync(CloudKit kit, CancellationToken cancel)
    {
        var resized = await ResizedAsync(kit, null, cancel);
        if (resized.Count == 0) return;
        var there = await ThereAsync(kit, resized, cancel);
        foreach (var id in resized.Where(id => there[id].Any()))
        {
            var kept = await leavingWorkers.KeptAsync(id, null, cancel);
            if (!there[id].Any(kept.Leaves)) continue;
            await using var still = await LongLock.OfWorkspaceAsync(data, id, clock, cancel);
            if ((await ResizedAsync(kit, id, still.Token)).Count == 0) continue;
            log.LogWarning("Workspace {Workspace} has surplus workers; removing them.", id);
            try { await RemoveLockedAsync(still, await leavingWorkers.KeptAsync(id, null, still.Token)); }
            catch (CloudException e) { log.LogWarning("The surplus workers of workspace {Workspace} could not be removed: {Error}", id, e.Message); }
            await still.CommitAsync();
        }
    }

    /// <summary>
    /// Workspaces that have settled after a Resize. Not those deliberately started with another number since: their folders are kept for a time
    /// when the number is larger again.
    /// </summary>
    private async Task<IReadOnlyList<Guid>> ResizedAsync(CloudKit kit, Guid? one, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Database.SqlQuery<Guid>($"""
            select w.id as "Value" from portal.workspaces w
            join portal.tenants t on t.id = w.tenant_id and t.pool_key = {kit.Key}
            join lateral (select phase, ended_at from portal.runs where workspace_id = w.id order by number desc limit 1) r on true
            join lateral (select max(number) as number from portal.runs where workspace_id = w.id and kind = 'Resize') z on z.number is not null
            where w.deleted_at is null and ({one}::uuid is null or w.id = {one}) and r.ended_at < clock_timestamp() - {kit.Clusters.Times.Settled}
              and not exists (select 1 from portal.runs s where s.workspace_id = w.id and s.number > z.number and s.kind = 'Start' and s.workers is not null)
            order by r.ended_at
            """).ToListAsync(cancel);
    }

    /// <summary>Names of nodes of which something exists or is reserved, by workspace. One check of the
    /// cloud and two statements, however many workspaces there are.</summary>
    private async Task<ILookup<Guid, string>> ThereAsync(CloudKit kit, IReadOnlyCollection<Guid> workspaces, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var promised = await db.Reservations
            .Where(r => r.EndedAt == null && r.Node != "" && r.WorkspaceId != null && workspaces.Contains(r.WorkspaceId.Value))
            .Select(r => new { Workspace = r.WorkspaceId!.Value, r.Node })
            .ToListAsync(cancel);
        var claimed = await db.CapacityClaims
            .Where(c => c.EndedAt == null && workspaces.Contains(c.WorkspaceId))
            .Select(c => new { Workspace = c.WorkspaceId, c.Node })
            .ToListAsync(cancel);
        var nodes = (await kit.Clusters.LookAsync(cancel)).SelectMany(c => c.Nodes.Select(n => new { c.Workspace, Node = n.Name }));
        var mounts = (await kit.Shares.AccessAsync(cancel)).Select(a => a.Folder).OfType<FolderRef.Scratch>();
        var folders = mounts.Concat(await kit.Filesets.ScratchAsync(cancel)).Select(f => new { f.Workspace, f.Node });
        return promised.Concat(claimed).Concat(nodes).Concat(folders).ToLookup(t => t.Workspace, t => t.Node);
    }

    private static async Task RemoveLockedAsync(LongLock still, Kept kept)
    {
        var (id, keep, cancel) = (kept.Workspace.Id, kept.Names.ToArray(), still.Token);
        // What is still seen now is left to the next sweep: storage waits until no node is seen.
        if (await new Release(kept.Kit).ThroughAsync(ReleaseStage.Nodes, kept.Others, cancel) is not null) return;
        await still.ExecuteAsync("""
            update portal.reservations set ended_at = clock_timestamp()
            where workspace_id = $1 and kind = 'Compute' and ended_at is null and node <> all($2)
            """, id, keep);
        await still.ExecuteAsync(
            "update portal.capacity_claims set ended_at = clock_timestamp() where workspace_id = $1 and ended_at is null and node <> all($2)", id, keep);
        if (await new Release(kept.Kit).ThroughAsync(ReleaseStage.Scratch, kept.Others, cancel) is not null) return;
        await still.ExecuteAsync("""
            update portal.reservations set ended_at = clock_timestamp()
            where workspace_id = $1 and kind = 'Scratch' and ended_at is null and node <> all($2)
            """, id, keep);
    }
}
