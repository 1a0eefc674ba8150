using System.Collections.Immutable;

namespace Portal.Core.Data;

/// <summary>Part of a list.</summary>
/// <param name="Next">Names the last item: ask for what comes after it. Null at the end of the list.</param>
public sealed record Page<T>(ImmutableArray<T> Items, string? Next)
{
    public Page<TOther> Select<TOther>(Func<T, TOther> change) => new([.. Items.Select(change)], Next);
}

public static class Page
{
    /// <summary>The most items that one page has.</summary>
    public const int Longest = 200;

    /// <param name="found">Up to one item more than the page holds.</param>
    /// <param name="name">What names an item.</param>
    public static Page<T> Of<T>(IReadOnlyCollection<T> found, int limit, Func<T, string> name)
    {
        var items = found.Take(limit).ToImmutableArray();
        return new(items, found.Count > limit ? name(items[^1]) : null);
    }
}
