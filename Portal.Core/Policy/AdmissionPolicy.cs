using System.Collections.Immutable;
using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <param name="Capacity">What may run at once.</param>
/// <param name="Claimed">What runs or starts now.</param>
/// <param name="Starts">How many more may start now.</param>
public sealed record Room(Amounts Capacity, Amounts Claimed, int Starts);

/// <param name="HoldsRoom">It is still there from before and needs no more.</param>
public sealed record QueuedOrder(long RunId, Guid WorkspaceId, Amounts Wanted, bool HoldsRoom);

/// <summary>Which orders of the queue begin now.</summary>
public static class AdmissionPolicy
{
    /// <summary>The longest head of the queue that fits. Nobody is overtaken, so everybody's turn comes.</summary>
    public static ImmutableArray<QueuedOrder> Admit(Room room, ImmutableArray<QueuedOrder> queue)
    {
        var admitted = ImmutableArray.CreateBuilder<QueuedOrder>();
        var claimed = room.Claimed;
        foreach (var order in queue)
        {
            var after = order.HoldsRoom ? claimed : claimed + order.Wanted;
            if (admitted.Count >= room.Starts || (!order.HoldsRoom && after.FirstAbove(room.Capacity) is not null)) break;
            claimed = after;
            admitted.Add(order);
        }
        return admitted.ToImmutable();
    }
}
