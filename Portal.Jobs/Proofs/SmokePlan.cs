namespace Portal.Jobs.Proofs;

/// <summary>A template as the catalogue offers it.</summary>
/// <param name="NotAvailable">Why it cannot be launched now; null if it can.</param>
/// <param name="Building">An image of it is being built.</param>
public sealed record SmokeOffer(string Template, string? NotAvailable, bool Building);

public abstract record SmokeNext
{
    private SmokeNext() { }

    /// <summary>Check again later.</summary>
    public sealed record Wait : SmokeNext;

    /// <summary>Check these; the others cannot be launched here and were not named.</summary>
    public sealed record Prove(IReadOnlyList<string> Templates, IReadOnlyList<SmokeOffer> LeftOut) : SmokeNext;

    /// <summary>There is nothing to check, and waiting changes nothing.</summary>
    public sealed record Refuse(string Why) : SmokeNext;
}

/// <summary>Which templates a smoke test checks, and how long it waits: as long as an image is
/// being built, and briefly for anything that may resolve itself.</summary>
public static class SmokePlan
{
    /// <summary>How long to wait for a reason other than a build: container engine and disk are checked
    /// every ten seconds, and for the first time once an image exists.</summary>
    public static readonly TimeSpan Settling = TimeSpan.FromSeconds(30);

    /// <param name="requested">Templates by name: each must pass. None: all that can be launched.</param>
    /// <param name="still">How long no wanted image has been building.</param>
    public static SmokeNext Decide(IReadOnlyList<SmokeOffer> offers, IReadOnlyCollection<string> requested, TimeSpan still)
    {
        if (offers.Count == 0) return new SmokeNext.Refuse("The catalogue is empty: no template was published.");
        if (requested.FirstOrDefault(a => offers.All(o => o.Template != a)) is { } unknown)
            return new SmokeNext.Refuse($"There is no template {unknown}; the templates are: {string.Join(", ", offers.Select(o => o.Template))}.");
        List<SmokeOffer> wanted = [.. offers.Where(o => requested.Count == 0 || requested.Contains(o.Template, StringComparer.Ordinal))];
        List<SmokeOffer> off = [.. wanted.Where(o => o.NotAvailable is not null)];
        if (off.Count == 0) return new SmokeNext.Prove([.. wanted.Select(o => o.Template)], []);
        if (wanted.Any(o => o.Building) || still < Settling) return new SmokeNext.Wait();
        return requested.Count > 0 || off.Count == wanted.Count
            ? new SmokeNext.Refuse(string.Join(" ", off.Select(Describe)))
            : new SmokeNext.Prove([.. wanted.Except(off).Select(o => o.Template)], off);
    }

    /// <summary>Why it cannot be launched.</summary>
    public static string Describe(SmokeOffer off) => $"{off.Template} cannot be launched: {off.NotAvailable}";
}
