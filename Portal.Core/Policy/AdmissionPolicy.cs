using System.Collections.Immutable;
using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <param name="Total">What may run at once.</param>
/// <param name="Claimed">What is running or starting now.</param>
/// <param name="Starts">How many more may start now.</param>
public sealed record SiteCapacity(Amounts Total, Amounts Claimed, int Starts);

/// <summary>A node that needs capacity; one that still has its claim needs none.</summary>
public sealed record NodeOrder(string Name, Amounts Wanted);

/// <param name="Nodes">Those without a claim on capacity yet.</param>
public sealed record QueuedOrder(long RunId, Guid WorkspaceId, ImmutableArray<NodeOrder> Nodes)
{
    /// <summary>Capacity that the workspace already holds, and keeps while it waits for more.</summary>
    public Amounts Held { get; init; } = Amounts.None;

    public Amounts Wanted => Nodes.Aggregate(Amounts.None, (sum, n) => sum + n.Wanted);
}

/// <summary>Which queued orders start now.</summary>
public static class AdmissionPolicy
{
    /// <summary>
    /// The longest head of the queue that fits. No order overtakes another, so everyone gets a turn. An order that can never fit, because the site
    /// shrank after it was placed, must not block all others forever: it is skipped until the site grows again.
    /// </summary>
    public static ImmutableArray<QueuedOrder> Admit(SiteCapacity capacity, ImmutableArray<QueuedOrder> queue)
    {
        var admitted = ImmutableArray.CreateBuilder<QueuedOrder>();
        var claimed = capacity.Claimed;
        foreach (var order in queue.Where(o => (o.Wanted + o.Held).FirstAbove(capacity.Total) is null))
        {
            var after = claimed + order.Wanted;
            if (admitted.Count >= capacity.Starts || (order.Nodes.Length > 0 && after.FirstAbove(capacity.Total) is not null)) break;
            claimed = after;
            admitted.Add(order);
        }
        return admitted.ToImmutable();
    }
}
