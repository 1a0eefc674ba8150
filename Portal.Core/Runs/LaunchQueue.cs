using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Workspaces;

namespace Portal.Core.Runs;

/// <summary>Who waits for admission, in order, and what for. Jobs' admission decides; this explains it.</summary>
internal sealed class LaunchQueue(ImmutableArray<long> order, QueueWait waitsFor, ImmutableArray<DateTimeOffset> roomAt, DateTimeOffset now, TimeSpan launch, int atOnce)
{
    private const int Longest = 1000;

    public QueueView? Of(long run)
    {
        var at = order.IndexOf(run);
        if (at < 0) return null;
        // Waiting for its turn: so many launches before it, so many side by side. Waiting for room: the workspaces that end next make it.
        DateTimeOffset? expected = waitsFor is QueueWait.Launches ? now + launch * (at / Math.Max(1, atOnce) + 1)
            : at < roomAt.Length ? roomAt[at] : null;
        return new(at + 1, waitsFor, expected);
    }

    public static async Task<LaunchQueue> ReadAsync(PortalDb db, StepHistory usual, CancellationToken cancel)
    {
        var queued = await db.Runs.Where(r => r.Phase == RunPhase.Queued && RunKinds.Queued.Contains(r.Kind)).OrderBy(r => r.Id).Select(r => r.Id).Take(Longest).ToListAsync(cancel);
        var starting = await db.StartingRuns().CountAsync(cancel);
        var atOnce = await db.Site.Select(s => (int?)s.LaunchesAtOnce).SingleOrDefaultAsync(cancel) ?? 1;
        var ends = await db.Workspaces.Where(w => db.CapacityClaims.Any(c => c.WorkspaceId == w.Id && c.EndedAt == null)).Select(w => w.EndAt).OrderBy(e => e).Take(Longest).ToListAsync(cancel);
        var now = await db.Database.SqlQuery<DateTimeOffset>($"select clock_timestamp() as \"Value\"").SingleAsync(cancel);
        return new([.. queued], starting >= atOnce ? QueueWait.Launches : QueueWait.Capacity, [.. ends], now, usual.AnyLaunch() ?? TimeSpan.FromSeconds(10), atOnce);
    }
}
