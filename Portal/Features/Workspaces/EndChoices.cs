namespace Portal.Features.Workspaces;

/// <summary>End times that an extension offers.</summary>
public static class EndChoices
{
    private static readonly int[] Hours = [1, 2, 4, 8, 24];

    /// <summary>Later than the current end time, at most the class's maximum from now; the maximum itself is always included.</summary>
    public static IReadOnlyList<DateTimeOffset> Of(DateTimeOffset endAt, DateTimeOffset now, int longestHours)
    {
        var from = endAt > now ? endAt : now;
        // A minute less than the rule, to allow for the time that a person takes to choose.
        var last = now.AddHours(longestHours).AddMinutes(-1);
        List<DateTimeOffset> ends = [.. Hours.Select(h => from.AddHours(h)).Where(e => e < last)];
        if (last - from > TimeSpan.FromMinutes(10)) ends.Add(last);
        return ends;
    }
}
