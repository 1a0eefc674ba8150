using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Runs;

/// <summary>What of the site's room is taken.</summary>
public static class RoomReader
{
    /// <summary>
    /// What holds one of the places for what starts at once: admitted, and bringing something up. Also while it waits to try again, so that
    /// an engine that comes back is not met by all at once; no longer when it only releases what a failure left.
    /// </summary>
    public static IQueryable<Run> StartingRuns(this PortalDb db) => db.Runs.Where(r =>
        !r.Releasing && (r.Phase == RunPhase.Waiting || r.Phase == RunPhase.Handed || r.Phase == RunPhase.Active)
        && (r.Kind == RunKind.Launch || r.Kind == RunKind.Start || (r.Kind == RunKind.Resize && r.Workers > db.Workspaces.First(w => w.Id == r.WorkspaceId).Workers)));

    /// <summary>Capacity that what runs, comes up or goes down has claimed.</summary>
    public static async Task<Amounts> ClaimedAsync(this PortalDb db, CancellationToken cancel)
    {
        var sums = await db.CapacityClaims.Where(c => c.EndedAt == null).GroupBy(_ => 1).Select(g => new { Vcpu = g.Sum(c => c.Vcpu), Memory = g.Sum(c => c.MemoryMib) }).SingleOrDefaultAsync(cancel);
        return sums is null ? Amounts.None : new(sums.Vcpu, sums.Memory, 0, 0);
    }
}
