using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Background;
using Portal.Jobs.Steps;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Removes orphans: anything that a late call has created for workspaces that are released or unknown. In the order of every release.
/// Only if the release was some time ago, and under the workspace's lock, so that no new run begins in the meantime.
/// </summary>
public sealed class Orphans(
    IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, IClusterCloud clusters, IShareCloud shares, IFilesetCloud filesets,
    Release release, ExcessWorkers excessWorkers, TimeProvider clock, ILogger<Orphans> log)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        HashSet<Guid> seen;
        try
        {
            seen = [.. (await clusters.LookAsync(cancel)).Select(c => c.Workspace), .. (await shares.AccessAsync(cancel)).Select(a => a.Workspace)];
            seen.UnionWith(await DeletedWithScratchAsync(cancel));
        }
        catch (CloudException e) when (e.Fault == CloudFault.Unavailable) { return; } // the health row of that cloud says so
        foreach (var id in await ReleasedAsync(seen, cancel))
        {
            await using var still = await LongLock.OfWorkspaceAsync(data, id, clock, cancel);
            // Checked again under the lock: a start may have been ordered in the meantime.
            if ((await ReleasedAsync([id], still.Token)).Count == 0) continue;
            log.LogWarning("Workspace {Workspace} is released but has orphans; removing them.", id);
            // What cannot be removed stays until the next time and must not keep others from being cleaned up.
            try { await RemoveAsync(id, still.Token); }
            catch (CloudException e) { log.LogWarning("The orphans of workspace {Workspace} could not be removed: {Error}", id, e.Message); }
        }
        await excessWorkers.RunAsync(cancel);
    }

    /// <summary>A scratch folder is kept over a stop: it is an orphan only if its workspace was deleted.</summary>
    private async Task<IReadOnlyList<Guid>> DeletedWithScratchAsync(CancellationToken cancel)
    {
        var with = (await filesets.ScratchAsync(cancel)).Select(f => f.Workspace).Distinct().ToList();
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Workspaces.Where(w => with.Contains(w.Id) && w.DeletedAt != null).Select(w => w.Id).ToListAsync(cancel);
    }

    /// <summary>Those that no row accounts for, or whose newest run released them some time ago.</summary>
    private async Task<IReadOnlyList<Guid>> ReleasedAsync(IReadOnlyCollection<Guid> seen, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Database.SqlQuery<Guid>($"""
            select s.id as "Value" from unnest({seen.ToArray()}) s(id)
            left join lateral (select kind, phase, ended_at from portal.runs
              where workspace_id = s.id and kind <> 'Resize' order by number desc limit 1) r on true
            where r.kind is null
               or (r.ended_at < clock_timestamp() - {clusters.Times.Settled}
                 and ((r.kind in ('Stop', 'Delete') and r.phase = 'Succeeded') or (r.kind in ('Launch', 'Start') and r.phase = 'Failed')))
            """).ToListAsync(cancel);
    }

    /// <summary>What is still there now is left to the next sweep.</summary>
    private async Task RemoveAsync(Guid id, CancellationToken cancel)
    {
        var last = (await DeletedWithScratchAsync(cancel)).Contains(id) ? ReleaseStage.Scratch : ReleaseStage.Network;
        await release.ThroughAsync(last, ReleaseScope.All(id), cancel);
    }
}
