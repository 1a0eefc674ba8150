using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;
using Portal.Jobs.Steps;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Removes orphans: anything that a late call has created for workspaces that are released or unknown. In the order of every release.
/// Only if the release was some time ago, and under the workspace's lock, so that no new run begins in the meantime. The same look shows what somebody
/// took away: see <see cref="LostFolders"/>.
/// </summary>
public sealed class Orphans(
    IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, ExcessWorkers excessWorkers, LostFolders lostFolders, TimeProvider clock,
    ILogger<Orphans> log)
{
    /// <summary>Those in one pool.</summary>
    public async Task RunAsync(CloudKit kit, CancellationToken cancel)
    {
        HashSet<Guid> seen;
        try
        {
            var up = await lostFolders.UpAsync(kit, cancel);
            var access = await kit.Shares.AccessAsync(cancel);
            await lostFolders.TellAsync(kit, up, access, cancel);
            seen =
            [
                .. (await kit.Clusters.LookAsync(cancel)).Select(c => c.Workspace),
                .. access.Select(a => a.Workspace),
                .. await DeletedWithScratchAsync(kit, cancel),
            ];
        }
        catch (CloudException e) when (e.Fault is CloudFault.Unavailable or CloudFault.TimedOut) { return; } // the health row of that pool says so
        foreach (var id in await ReleasedAsync(kit, seen, cancel))
        {
            await using var still = await LongLock.OfWorkspaceAsync(data, id, clock, cancel);
            // Checked again under the lock: a start may have been ordered in the meantime.
            if ((await ReleasedAsync(kit, [id], still.Token)).Count == 0) continue;
            log.LogWarning("Workspace {Workspace} is released but has orphans; removing them.", id);
            // What cannot be removed stays until the next time and must not keep others from being cleaned up.
            try { await RemoveAsync(kit, id, still.Token); }
            catch (CloudException e) { log.LogWarning("The orphans of workspace {Workspace} could not be removed: {Error}", id, e.Message); }
        }
        await excessWorkers.RunAsync(kit, cancel);
    }

    /// <summary>A scratch folder is kept over a stop: it is an orphan only if its workspace was deleted.</summary>
    private async Task<IReadOnlyList<Guid>> DeletedWithScratchAsync(CloudKit kit, CancellationToken cancel)
    {
        var with = (await kit.Filesets.ScratchAsync(cancel)).Select(f => f.Workspace).Distinct().ToList();
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Workspaces.Where(w => with.Contains(w.Id) && w.DeletedAt != null).Select(w => w.Id).ToListAsync(cancel);
    }

    /// <summary>Those that no row accounts for, or whose newest run released them some time ago.</summary>
    private async Task<IReadOnlyList<Guid>> ReleasedAsync(CloudKit kit, IReadOnlyCollection<Guid> seen, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Database.SqlQuery<Guid>($"""
            select s.id as "Value" from unnest({seen.ToArray()}) s(id)
            left join lateral (select kind, phase, ended_at from portal.runs
              where workspace_id = s.id and kind <> 'Resize' order by number desc limit 1) r on true
            where r.kind is null
               or (r.ended_at < clock_timestamp() - {kit.Clusters.Times.Settled}
                 and ((r.kind in ('Stop', 'Delete') and r.phase = 'Succeeded') or (r.kind in ('Launch', 'Start') and r.phase = 'Failed')))
            """).ToListAsync(cancel);
    }

    /// <summary>What is still there now is left to the next sweep.</summary>
    private async Task RemoveAsync(CloudKit kit, Guid id, CancellationToken cancel)
    {
        var last = (await DeletedWithScratchAsync(kit, cancel)).Contains(id) ? ReleaseStage.Scratch : ReleaseStage.Network;
        await new Release(kit).ThroughAsync(last, ReleaseScope.All(id), cancel);
    }
}
