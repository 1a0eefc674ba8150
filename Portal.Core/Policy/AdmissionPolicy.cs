using System.Collections.Immutable;
using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <param name="Capacity">What may run at once.</param>
/// <param name="Claimed">What runs or starts now.</param>
/// <param name="Starts">How many more may start now.</param>
public sealed record Room(Amounts Capacity, Amounts Claimed, int Starts);

/// <summary>A node that needs room; one that is still there from before needs none.</summary>
public sealed record NodeOrder(string Name, Amounts Wanted);

/// <param name="Nodes">Those that hold no room yet.</param>
public sealed record QueuedOrder(long RunId, Guid WorkspaceId, ImmutableArray<NodeOrder> Nodes)
{
    /// <summary>Room that the workspace holds already, and keeps while it waits for more.</summary>
    public Amounts Held { get; init; } = Amounts.None;

    public Amounts Wanted => Nodes.Aggregate(Amounts.None, (sum, n) => sum + n.Wanted);
}

/// <summary>Which orders of the queue begin now.</summary>
public static class AdmissionPolicy
{
    /// <summary>
    /// The longest head of the queue that fits. Nobody is overtaken, so everybody's turn comes. What could never fit, because the site
    /// shrank since it was ordered, must not stand before all others for ever: it is passed over until the site grows again.
    /// </summary>
    public static ImmutableArray<QueuedOrder> Admit(Room room, ImmutableArray<QueuedOrder> queue)
    {
        var admitted = ImmutableArray.CreateBuilder<QueuedOrder>();
        var claimed = room.Claimed;
        foreach (var order in queue.Where(o => (o.Wanted + o.Held).FirstAbove(room.Capacity) is null))
        {
            var after = claimed + order.Wanted;
            if (admitted.Count >= room.Starts || (order.Nodes.Length > 0 && after.FirstAbove(room.Capacity) is not null)) break;
            claimed = after;
            admitted.Add(order);
        }
        return admitted.ToImmutable();
    }
}
