using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Runs;

/// <summary>How much of the clouds' capacity is in use.</summary>
public static class CapacityReader
{
    /// <summary>
    /// What counts against launches at once: admitted runs that bring something up. This includes waiting for a retry, so that a container
    /// engine that comes back does not get all of them at the same time; it excludes runs that only release after a failure.
    /// </summary>
    public static IQueryable<Run> StartingRuns(this PortalDb db, string cloud) =>
        from r in db.StartingRuns()
        join w in db.Workspaces on r.WorkspaceId equals w.Id
        join t in db.Tenants on w.TenantId equals t.Id
        join p in db.Pools on t.PoolKey equals p.Key
        where p.CloudKey == cloud
        select r;

    private static IQueryable<Run> StartingRuns(this PortalDb db) => db.Runs.Where(r =>
        !r.Releasing && (r.Phase == RunPhase.Waiting || r.Phase == RunPhase.Handed || r.Phase == RunPhase.Active)
        && (r.Kind == RunKind.Launch
            || r.Kind == RunKind.Start
            || (r.Kind == RunKind.Resize && r.Workers > db.Workspaces.First(w => w.Id == r.WorkspaceId).Workers)));

    /// <summary>Capacity claimed in each pool by what is running, coming up or going down. Pools without claims are absent.</summary>
    public static async Task<IReadOnlyDictionary<string, Amounts>> ClaimedAsync(this PortalDb db, CancellationToken cancel) =>
        await db.CapacityClaims
            .Where(c => c.EndedAt == null)
            .GroupBy(c => c.PoolKey)
            .Select(g => new { g.Key, Vcpu = g.Sum(c => c.Vcpu), Memory = g.Sum(c => c.MemoryMib) })
            .ToDictionaryAsync(g => g.Key, g => new Amounts(g.Vcpu, g.Memory, 0, 0), StringComparer.Ordinal, cancel);
}
