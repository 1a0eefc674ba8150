using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Runs;

/// <summary>How much of the site's capacity is in use.</summary>
public static class CapacityReader
{
    /// <summary>
    /// What counts against launches at once: admitted runs that bring something up. This includes waiting for a retry, so that a container
    /// engine that comes back does not get all of them at the same time; it excludes runs that only release after a failure.
    /// </summary>
    public static IQueryable<Run> StartingRuns(this PortalDb db) => db.Runs.Where(r =>
        !r.Releasing && (r.Phase == RunPhase.Waiting || r.Phase == RunPhase.Handed || r.Phase == RunPhase.Active)
        && (r.Kind == RunKind.Launch
            || r.Kind == RunKind.Start
            || (r.Kind == RunKind.Resize && r.Workers > db.Workspaces.First(w => w.Id == r.WorkspaceId).Workers)));

    /// <summary>Capacity claimed by what is running, coming up or going down.</summary>
    public static async Task<Amounts> ClaimedAsync(this PortalDb db, CancellationToken cancel)
    {
        var sums = await db.CapacityClaims
            .Where(c => c.EndedAt == null)
            .GroupBy(_ => 1)
            .Select(g => new { Vcpu = g.Sum(c => c.Vcpu), Memory = g.Sum(c => c.MemoryMib) })
            .SingleOrDefaultAsync(cancel);
        return sums is null ? Amounts.None : new(sums.Vcpu, sums.Memory, 0, 0);
    }
}
