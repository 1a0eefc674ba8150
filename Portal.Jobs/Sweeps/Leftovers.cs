using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Background;
using Portal.Jobs.Runs;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Whatever a call that landed late has made of workspaces that are released or unknown: the same order as a release, nodes first.
/// Only what was released a while ago, and under the workspace's lock, so that no new run begins meanwhile.
/// </summary>
public sealed class Leftovers(
    IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, IClusterCloud clusters, IShareCloud shares, IFilesetCloud filesets, Surplus surplus, RunOptions options, TimeProvider clock, ILogger<Leftovers> log)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        IReadOnlyList<ClusterNow> there;
        try { there = await clusters.LookAsync(cancel); }
        catch (CloudException e) when (e.Fault == CloudFault.Away) { return; } // its health says so
        var seen = there.Select(c => c.Workspace).Concat((await shares.AccessAsync(cancel)).Select(a => a.Workspace)).ToHashSet();
        seen.UnionWith(await DeletedWithScratchAsync(cancel));
        foreach (var id in await ReleasedAsync(seen, cancel))
        {
            await using var still = await LongLock.OfWorkspaceAsync(data, id, clock, cancel);
            // Once more under the lock: somebody may have ordered a start meanwhile.
            if ((await ReleasedAsync([id], still.Token)).Count == 0) continue;
            log.LogWarning("Workspace {Workspace} was released but left orphans: removing them.", id);
            // What cannot be removed stays for the next time, and keeps nobody else from being cleaned up.
            try { await RemoveAsync(id, still.Token); }
            catch (CloudException e) { log.LogWarning("Workspace {Workspace} could not be cleaned up: {Error}", id, e.Message); }
        }
        await surplus.RunAsync(cancel);
    }

    /// <summary>A scratch folder stays over a stop: only of a workspace that was deleted is it left over.</summary>
    private async Task<IReadOnlyList<Guid>> DeletedWithScratchAsync(CancellationToken cancel)
    {
        var with = (await filesets.ScratchAsync(cancel)).Select(f => f.Workspace).Distinct().ToList();
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Workspaces.Where(w => with.Contains(w.Id) && w.DeletedAt != null).Select(w => w.Id).ToListAsync(cancel);
    }

    /// <summary>Those of which no row wants anything, or whose newest run released them a while ago.</summary>
    private async Task<IReadOnlyList<Guid>> ReleasedAsync(IReadOnlyCollection<Guid> seen, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Database.SqlQuery<Guid>($"""
            select s.id as "Value" from unnest({seen.ToArray()}) s(id)
            left join lateral (select kind, phase, ended_at from portal.runs where workspace_id = s.id and kind <> 'Resize' order by number desc limit 1) r on true
            where r.kind is null
               or (r.ended_at < clock_timestamp() - {options.Settled} and ((r.kind in ('Stop', 'Delete') and r.phase = 'Succeeded') or (r.kind in ('Launch', 'Start') and r.phase = 'Failed')))
            """).ToListAsync(cancel);
    }

    private async Task RemoveAsync(Guid id, CancellationToken cancel)
    {
        if (await clusters.LookAsync(id, cancel) is { Nodes.Count: > 0 })
        {
            await clusters.RemoveNodesAsync(id, cancel);
            // What is still seen now is left to the next sweep: storage waits until no node is seen.
            if (await clusters.LookAsync(id, cancel) is { Nodes.Count: > 0 }) return;
        }
        await shares.UnmountAsync(id, cancel);
        await shares.DenyAsync(id, cancel);
        await clusters.RemoveNetworkAsync(id, cancel);
        if (!(await DeletedWithScratchAsync(cancel)).Contains(id)) return;
        foreach (var folder in (await filesets.ScratchAsync(cancel)).Where(f => f.Workspace == id)) await filesets.RemoveScratchAsync(folder.ClassId, id, [folder.Node], cancel);
    }
}
