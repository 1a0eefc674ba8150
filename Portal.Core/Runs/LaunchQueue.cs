using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Operations;
using Portal.Core.Quotas;
using Portal.Core.Workspaces;

namespace Portal.Core.Runs;

/// <summary>Who waits for admission, in order, and what for. Jobs' admission decides; this explains it.</summary>
internal sealed class LaunchQueue(ImmutableArray<long> order, QueueWait? waitsFor, ImmutableArray<DateTimeOffset> roomAt, DateTimeOffset now, TimeSpan launch, int atOnce)
{
    private const int Longest = 1000;

    public QueueView? Of(long run)
    {
        var at = order.IndexOf(run);
        if (at < 0) return null;
        // Waiting for its turn: so many launches before it, so many side by side. Waiting for room: the workspaces that end next make it.
        DateTimeOffset? expected = waitsFor switch
        {
            QueueWait.Launches => now + launch * (at / Math.Max(1, atOnce) + 1),
            QueueWait.Capacity when at < roomAt.Length => roomAt[at],
            _ => null,
        };
        return new(at + 1, waitsFor, expected);
    }

    public static async Task<LaunchQueue> ReadAsync(PortalDb db, StepHistory usual, CancellationToken cancel)
    {
        var queued = await db.Runs.Where(r => r.Phase == RunPhase.Queued && RunKinds.Queued.Contains(r.Kind)).OrderBy(r => r.Id).Select(r => r.Id).Take(Longest).ToListAsync(cancel);
        var site = await db.Site.AsNoTracking().SingleOrDefaultAsync(cancel);
        var atOnce = site?.LaunchesAtOnce ?? 1;
        QueueWait? waitsFor = !await FirstFitsAsync(db, site, queued, cancel) ? QueueWait.Capacity : await db.StartingRuns().CountAsync(cancel) >= atOnce ? QueueWait.Launches : null;
        var ends = await db.Workspaces.Where(w => db.CapacityClaims.Any(c => c.WorkspaceId == w.Id && c.EndedAt == null)).Select(w => w.EndAt).OrderBy(e => e).Take(Longest).ToListAsync(cancel);
        var now = await db.Database.SqlQuery<DateTimeOffset>($"select clock_timestamp() as \"Value\"").SingleAsync(cancel);
        return new([.. queued], waitsFor, [.. ends], now, usual.AnyLaunch() ?? TimeSpan.FromSeconds(10), atOnce);
    }

    /// <summary>Whether there is room for whoever is next: what it has reserved, less what it still holds, beside all that is claimed.</summary>
    private static async Task<bool> FirstFitsAsync(PortalDb db, SiteState? site, List<long> queued, CancellationToken cancel)
    {
        if (site is null || queued.Count == 0) return false;
        var workspace = await db.Runs.Where(r => r.Id == queued[0]).Select(r => r.WorkspaceId).SingleAsync(cancel);
        var wanted = await db.Reservations.Where(r => r.WorkspaceId == workspace && r.Kind == ReservationKind.Compute && r.EndedAt == null)
            .Where(r => !db.CapacityClaims.Any(c => c.WorkspaceId == workspace && c.Node == r.Node && c.EndedAt == null))
            .GroupBy(_ => 1).Select(g => new { Vcpu = g.Sum(r => r.Vcpu), Memory = g.Sum(r => r.MemoryMib) }).SingleOrDefaultAsync(cancel);
        return wanted is null || (await db.ClaimedAsync(cancel) + new Amounts(wanted.Vcpu, wanted.Memory, 0, 0)).FirstAbove(site.Capacity) is null;
    }
}
