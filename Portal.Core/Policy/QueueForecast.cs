using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <summary>Something that holds capacity of the pool.</summary>
/// <param name="EndsAt">Latest time at which it is stopped unless extended; null if unknown.</param>
public sealed record Occupant(Amounts Holds, DateTimeOffset? EndsAt);

/// <summary>When there is capacity for a waiting order. People stop earlier than they must, so this is an upper bound, not an estimate.</summary>
public static class QueueForecast
{
    /// <summary>Time from a stop until its capacity is free.</summary>
    private static readonly TimeSpan Release = TimeSpan.FromMinutes(1);

    /// <summary>Latest time at which everything wanted fits alongside what is still running; null if too little of that has a known end time.</summary>
    /// <param name="wanted">Capacity wanted by the waiting order and all before it.</param>
    public static DateTimeOffset? Latest(Amounts capacity, IReadOnlyCollection<Occupant> occupants, Amounts wanted, DateTimeOffset now)
    {
        var taken = occupants.Aggregate(wanted, (sum, o) => sum + o.Holds);
        if (taken.FirstAbove(capacity) is null) return now;
        foreach (var next in occupants.Where(o => o.EndsAt is not null).OrderBy(o => o.EndsAt))
        {
            taken -= next.Holds;
            if (taken.FirstAbove(capacity) is null) return (next.EndsAt > now ? next.EndsAt.Value : now) + Release;
        }
        return null;
    }
}
