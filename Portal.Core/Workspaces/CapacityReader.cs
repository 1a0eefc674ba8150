using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>How much of the pools' capacity is in use.</summary>
public static class CapacityReader
{
    /// <summary>
    /// How many launches are in progress in each pool, which counts against launches at once: admitted runs that bring something up. This includes
    /// waiting for a retry, so that a container engine that comes back does not get all of them at the same time; it excludes runs that only release
    /// after a failure. Pools without launches are absent.
    /// </summary>
    public static async Task<IReadOnlyDictionary<string, int>> StartingAsync(this PortalDb db, CancellationToken cancel) =>
        await (from r in db.StartingRuns()
               join w in db.Workspaces on r.WorkspaceId equals w.Id
               join t in db.Tenants on w.TenantId equals t.Id
               group r by t.PoolKey into g
               select new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, StringComparer.Ordinal, cancel);

    /// <summary>The launches in progress in a cloud.</summary>
    /// <param name="pools">Keys of its pools with known capacity: no other can launch.</param>
    /// <param name="starting">As <see cref="StartingAsync"/>.</param>
    public static CloudLaunches Launches(Cloud cloud, IEnumerable<string> pools, IReadOnlyDictionary<string, int> starting) =>
        new(cloud.LaunchesAtOnce, pools.ToImmutableDictionary(p => p, p => starting.GetValueOrDefault(p), StringComparer.Ordinal));

    private static IQueryable<Run> StartingRuns(this PortalDb db) => db.Runs.Where(r =>
        !r.Releasing && (r.Phase == RunPhase.Waiting || r.Phase == RunPhase.Handed || r.Phase == RunPhase.Active)
        && (r.Kind == RunKind.Launch
            || r.Kind == RunKind.Start
            || (r.Kind == RunKind.Resize && r.Workers > db.Set<Workspace>().First(w => w.Id == r.WorkspaceId).Workers)));

    /// <summary>Orders that wait for admission to a pool, in no order.</summary>
    public static IQueryable<Run> QueuedRuns(this PortalDb db, string pool) => db.QueuedRuns().Where(q => q.Pool.Key == pool).Select(q => q.Run);

    /// <summary>Ids of the orders that wait for admission to the other pools of a cloud: they share its launches at once.</summary>
    public static IQueryable<long> QueuedBeside(this PortalDb db, Pool pool) =>
        db.QueuedRuns().Where(q => q.Pool.CloudKey == pool.CloudKey && q.Pool.Key != pool.Key).Select(q => q.Run.Id);

    private static IQueryable<QueuedRun> QueuedRuns(this PortalDb db) =>
        from r in db.Runs
        join w in db.Workspaces on r.WorkspaceId equals w.Id
        join t in db.Tenants on w.TenantId equals t.Id
        join p in db.Pools on t.PoolKey equals p.Key
        where r.Phase == RunPhase.Queued && RunKinds.Queued.Contains(r.Kind)
        select new QueuedRun { Run = r, Pool = p };

    private sealed class QueuedRun
    {
        public required Run Run { get; init; }
        public required Pool Pool { get; init; }
    }

    /// <summary>Capacity claimed in each pool by what is running, coming up or going down. Pools without claims are absent.</summary>
    public static async Task<IReadOnlyDictionary<string, Amounts>> ClaimedAsync(this PortalDb db, CancellationToken cancel) =>
        await db.CapacityClaims
            .Where(c => c.EndedAt == null)
            .GroupBy(c => c.PoolKey)
            .Select(g => new { g.Key, Vcpu = g.Sum(c => c.Vcpu), Memory = g.Sum(c => c.MemoryMib) })
            .ToDictionaryAsync(g => g.Key, g => new Amounts(g.Vcpu, g.Memory, 0, 0), StringComparer.Ordinal, cancel);
}
