using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Runs;
using Portal.Jobs.Runs;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Whatever a call that landed late has made of workspaces that are released or unknown: the same order as a release, nodes first.
/// Only what was released a while ago, and under the workspace's lock, so that no new run begins meanwhile.
/// </summary>
public sealed class Leftovers(IDbContextFactory<PortalDb> databases, IClusterCloud clusters, IShareCloud shares, RunOptions options, ILogger<Leftovers> log)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        var seen = (await clusters.LookAsync(cancel)).Select(c => c.Workspace).Concat((await shares.AccessAsync(cancel)).Select(a => a.Workspace)).ToHashSet();
        foreach (var id in seen)
        {
            await using var db = await databases.CreateDbContextAsync(cancel);
            await using var transaction = await db.Database.BeginTransactionAsync(cancel);
            await db.LockWorkspaceAsync(id, cancel);
            if (!await IsReleasedAsync(db, id, cancel)) continue;
            log.LogWarning("Workspace {Workspace} is released, yet something of it is there: removing.", id);
            await RemoveAsync(id, cancel);
        }
    }

    private async Task<bool> IsReleasedAsync(PortalDb db, Guid id, CancellationToken cancel)
    {
        var newest = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstOrDefaultAsync(cancel);
        if (newest is null) return true;
        var released = newest is { Kind: RunKind.Stop or RunKind.Delete, Phase: RunPhase.Succeeded } or { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Failed };
        return released && await db.Database.SqlQuery<bool>($"select ended_at < clock_timestamp() - {options.Settled} as \"Value\" from portal.runs where id = {newest.Id}").SingleAsync(cancel);
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
    }
}
