using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <summary>Something that holds room on the site.</summary>
/// <param name="EndsAt">When it is stopped at the latest, unless it is extended; null while nobody knows.</param>
public sealed record Occupant(Amounts Holds, DateTimeOffset? EndsAt);

/// <summary>When there is room for whoever waits. People stop earlier than they must, so this is a bound and no expectation.</summary>
public static class QueueForecast
{
    /// <summary>What a stop takes until its room is free.</summary>
    private static readonly TimeSpan Release = TimeSpan.FromMinutes(1);

    /// <summary>When at the latest all that is wanted has room beside what still runs; null where too little of that has a known end.</summary>
    /// <param name="wanted">By the one who waits and all before it.</param>
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
