using System.Collections.Immutable;
using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <summary>All that decides about a launch, read in one transaction.</summary>
/// <param name="Wanted">Of the asked size, storage of a new work folder and the workspace itself included.</param>
/// <param name="Levels">Tenant, class, member.</param>
/// <param name="Capacity">What the site can run at all; null while unknown.</param>
/// <param name="OtherSizes">Other sizes of the template with what they would want, largest first.</param>
/// <param name="Hours">From now to the asked end.</param>
public sealed record LaunchFacts(
    bool MayLaunch, bool TemplateOffered, bool SizeKnown, bool NameFree, string? NotAvailable, bool DiskHasRoom,
    double Hours, int LongestHours, Amounts Wanted, ImmutableArray<QuotaState> Levels, Amounts? Capacity,
    ImmutableArray<(string SizeId, Amounts Wanted)> OtherSizes);

/// <summary>Why a launch is refused; the page has the words.</summary>
public enum RefusalReason
{
    NotAMember, TemplateGone, SizeUnknown, NameTaken, NotAvailable, DiskNearlyFull, EndInThePast, EndTooLate, NeverPossible, OverQuota, NameInvalid, IdTaken,
}

/// <param name="Field">Of the form: "name", "size", "end", "template"; null where no field helps.</param>
/// <param name="Wall">The level whose quota is met, for <see cref="RefusalReason.OverQuota"/>.</param>
/// <param name="Fits">A size that would be accepted now; null for none.</param>
/// <param name="Detail">Words of whoever knows more: why something is not available.</param>
public sealed record Refusal(RefusalReason Reason, string? Field, QuotaLevel? Wall = null, Resource? Resource = null, string? Fits = null, string? Detail = null);

/// <summary>Decides about launches: facts in, decision out. Null means allowed.</summary>
public static class LaunchPolicy
{
    public static Refusal? Decide(LaunchFacts facts) => facts switch
    {
        { MayLaunch: false } => new(RefusalReason.NotAMember, null),
        { TemplateOffered: false } => new(RefusalReason.TemplateGone, "template"),
        { SizeKnown: false } => new(RefusalReason.SizeUnknown, "size"),
        { NameFree: false } => new(RefusalReason.NameTaken, "name"),
        { Hours: <= 0 } => new(RefusalReason.EndInThePast, "end"),
        _ when facts.Hours > facts.LongestHours => new(RefusalReason.EndTooLate, "end"),
        { NotAvailable: { } why } => new(RefusalReason.NotAvailable, "template", Detail: why),
        { DiskHasRoom: false } => new(RefusalReason.DiskNearlyFull, null),
        _ => Fit(facts),
    };

    private static Refusal? Fit(LaunchFacts facts)
    {
        if (facts.Capacity is { } capacity && Compute(facts.Wanted).FirstAbove(capacity) is { } never)
            return new(RefusalReason.NeverPossible, "size", Resource: never, Fits: NearestFit(facts));
        // The innermost wall is named first: it is the one that the person can do something about.
        foreach (var level in facts.Levels.OrderByDescending(l => l.Level))
            if (facts.Wanted.FirstAbove(level.Free) is { } above)
                return new(RefusalReason.OverQuota, "size", level.Level, above, NearestFit(facts));
        return null;
    }

    private static string? NearestFit(LaunchFacts facts) => facts.OtherSizes
        .Where(s => facts.Levels.All(l => s.Wanted.FirstAbove(l.Free) is null) && (facts.Capacity is null || Compute(s.Wanted).FirstAbove(facts.Capacity) is null))
        .Select(s => s.SizeId).FirstOrDefault();

    /// <summary>Capacity counts what runs; storage and the number of workspaces are quotas only.</summary>
    private static Amounts Compute(Amounts a) => a with { StorageGib = 0, Workspaces = 0 };
}
