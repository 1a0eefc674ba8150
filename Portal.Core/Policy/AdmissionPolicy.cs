using System.Collections.Immutable;
using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <param name="Total">What may run at once.</param>
/// <param name="Claimed">What is running or starting now.</param>
public sealed record PoolCapacity(Amounts Total, Amounts Claimed);

/// <summary>A node that needs capacity; one that still has its claim needs none.</summary>
public sealed record NodeOrder(string Name, Amounts Wanted);

/// <param name="Pool">Key of the pool it waits for.</param>
/// <param name="Nodes">Those without a claim on capacity yet.</param>
public sealed record QueuedOrder(long RunId, Guid WorkspaceId, string Pool, ImmutableArray<NodeOrder> Nodes)
{
    /// <summary>Capacity that the workspace already holds, and keeps while it waits for more.</summary>
    public Amounts Held { get; init; } = Amounts.None;

    public Amounts Wanted => Nodes.Aggregate(Amounts.None, (sum, n) => sum + n.Wanted);
}

/// <summary>Which queued orders start now.</summary>
public static class AdmissionPolicy
{
    /// <summary>
    /// The longest head of each pool's queue that fits. No order overtakes another of its pool, so everyone gets a turn; a pool that is full, or has no
    /// launch left, holds up nobody else's. An order that can never fit, because the pool shrank after it was placed, must not block all others forever:
    /// it is skipped until the pool grows again.
    /// </summary>
    /// <param name="launches">Those in progress in the cloud.</param>
    /// <param name="pools">The cloud's pools, by key.</param>
    /// <param name="queue">In the order of arrival, whatever the pool.</param>
    public static ImmutableArray<QueuedOrder> Admit(CloudLaunches launches, IReadOnlyDictionary<string, PoolCapacity> pools, ImmutableArray<QueuedOrder> queue)
    {
        var admitted = ImmutableArray.CreateBuilder<QueuedOrder>();
        var claimed = pools.ToDictionary(p => p.Key, p => p.Value.Claimed, StringComparer.Ordinal);
        var waiting = new HashSet<string>(StringComparer.Ordinal);
        foreach (var order in queue.Where(o => (o.Wanted + o.Held).FirstAbove(pools[o.Pool].Total) is null))
        {
            if (waiting.Contains(order.Pool)) continue;
            var after = claimed[order.Pool] + order.Wanted;
            if (!launches.MayStart(order.Pool) || (order.Nodes.Length > 0 && after.FirstAbove(pools[order.Pool].Total) is not null))
            {
                waiting.Add(order.Pool);
                continue;
            }
            launches = launches.And(order.Pool);
            claimed[order.Pool] = after;
            admitted.Add(order);
        }
        return admitted.ToImmutable();
    }
}
