using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Who waits for admission to one pool, in order, and for what. Jobs' admission decides; this explains.</summary>
internal sealed class LaunchQueue
{
    private const int Longest = 1000;

    private readonly ImmutableArray<Waiting> _order;
    private readonly ImmutableArray<Occupant> _occupants;
    private readonly Placement _place;
    private readonly ImmutableArray<long> _others;
    private readonly DateTimeOffset _now;
    private readonly TimeSpan? _launch;

    private LaunchQueue(ImmutableArray<Waiting> order, ImmutableArray<Occupant> occupants, Placement place, ImmutableArray<long> others,
        CloudLaunches launches, DateTimeOffset now, TimeSpan? launch)
    {
        (_order, _occupants, _place, _others, _now, _launch) = (order, occupants, place, others, now, launch);
        if (place.Pool.KnownCapacity is not { } capacity) WaitsFor = QueueWait.Capacity;
        else if (First is { } first && Beside(first.Wanted).FirstAbove(capacity) is not null) WaitsFor = QueueWait.Capacity;
        else if (!launches.MayStart(place.Pool.Key)) WaitsFor = QueueWait.Launches;
    }

    /// <summary>What the next order waits for; null if nothing holds it up.</summary>
    public QueueWait? WaitsFor { get; }

    /// <summary>How many are actually waiting before it: an order that was just placed and starts immediately is not.</summary>
    public int Count => WaitsFor is null ? 0 : _order.Length;

    /// <summary>The first that admission does not skip for never fitting.</summary>
    private Waiting? First => _order.FirstOrDefault(CanFit);

    /// <summary>What an order placed now would wait for.</summary>
    public QueueWait? WaitOf(Amounts wanted) =>
        WaitsFor ?? (Beside(wanted with { StorageGib = 0, Workspaces = 0 }).FirstAbove(_place.Pool.Capacity) is not null ? QueueWait.Capacity : null);

    public QueueView? Of(long run)
    {
        var at = _order.ToList().FindIndex(o => o.Run == run);
        if (at < 0) return null;
        // The launches before it, at most those of the cloud's other pools too, divided by how many may start in parallel.
        DateTimeOffset? expected = WaitsFor is QueueWait.Launches && _launch is { } launch
            ? _now + launch * ((at + _others.Count(o => o < run)) / Math.Max(1, _place.Cloud.LaunchesAtOnce) + 1) : null;
        var before = _order.Take(at + 1).Where(o => o.Run == run || CanFit(o)).Aggregate(Amounts.None, (sum, o) => sum + o.Wanted);
        var latest = WaitsFor is QueueWait.Capacity && _place.Pool.KnownCapacity is { } capacity
            ? QueueForecast.Latest(capacity, _occupants, before, _now) : null;
        return new(at + 1, WaitsFor, expected) { LatestAt = latest, Pool = _place.Title };
    }

    public static async Task<LaunchQueue> ReadAsync(PortalDb db, Placement place, StepHistory usual, CancellationToken cancel)
    {
        var pool = place.Pool.Key;
        var queued = await db.QueuedRuns(pool).OrderBy(r => r.Id).Select(r => new { r.Id, r.WorkspaceId }).Take(Longest).ToListAsync(cancel);
        var others = await db.QueuedBeside(place.Pool).OrderBy(id => id).Take(Longest).ToListAsync(cancel);
        var ids = queued.ConvertAll(q => q.WorkspaceId);
        var held = await (from c in db.CapacityClaims
                          where c.EndedAt == null && c.PoolKey == pool
                          join w in db.Workspaces on c.WorkspaceId equals w.Id
                          group c by new { w.Id, w.EndAt, w.RunFor } into one
                          select new { one.Key.Id, one.Key.EndAt, one.Key.RunFor, Vcpu = one.Sum(c => c.Vcpu), Memory = one.Sum(c => c.MemoryMib) })
            .ToDictionaryAsync(h => h.Id, cancel);
        // What is reserved, less what is already held: a Resize keeps what it has while it waits for more.
        var wanted = (await db.Reservations.Where(r => ids.Contains(r.WorkspaceId!.Value) && r.Kind == ReservationKind.Compute && r.EndedAt == null)
            .Where(r => !db.Set<CapacityClaim>().Any(c => c.WorkspaceId == r.WorkspaceId && c.Node == r.Node && c.EndedAt == null))
            .Select(r => new { Workspace = r.WorkspaceId!.Value, r.Vcpu, r.MemoryMib }).ToListAsync(cancel))
            .GroupBy(r => r.Workspace)
            .ToDictionary(g => g.Key, g => place.Pool.Machines.Occupied(g.Select(r => new Amounts(r.Vcpu, r.MemoryMib, 0, 0))));
        var pools = await db.Pools.Where(p => p.CloudKey == place.Cloud.Key && p.CapacityVcpu > 0).Select(p => p.Key).ToListAsync(cancel);
        var launches = CapacityReader.Launches(place.Cloud, pools, await db.StartingAsync(cancel));
        var now = await db.Database.SqlQuery<DateTimeOffset>($"select clock_timestamp() as \"Value\"").SingleAsync(cancel);
        return new(
            [.. queued.Select(q => new Waiting(q.Id, wanted.GetValueOrDefault(q.WorkspaceId, Amounts.None),
                held.TryGetValue(q.WorkspaceId, out var has) ? new(has.Vcpu, has.Memory, 0, 0) : Amounts.None))],
            // What is not ready yet has no end time.
            [.. held.Values.Select(h => new Occupant(new(h.Vcpu, h.Memory, 0, 0), h.RunFor is null ? h.EndAt : null))],
            place, [.. others], launches, now, usual.AnyLaunch());
    }

    private bool CanFit(Waiting order) => (order.Wanted + order.Held).FirstAbove(_place.Pool.Capacity) is null;

    private Amounts Beside(Amounts wanted) => _occupants.Aggregate(wanted, (sum, o) => sum + o.Holds);

    /// <param name="Wanted">Capacity that it does not have yet.</param>
    /// <param name="Held">Capacity that it has, and keeps.</param>
    private sealed record Waiting(long Run, Amounts Wanted, Amounts Held);
}
