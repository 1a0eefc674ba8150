using System.Collections.Immutable;
using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <summary>A size and a number of workers.</summary>
public sealed record Fit(string SizeId, int Workers);

/// <summary>Another choice of the template, and its total needs.</summary>
public sealed record OtherChoice(Fit Choice, Amounts Wanted)
{
    /// <summary>Limits of each of its nodes.</summary>
    public ImmutableArray<Amounts> Nodes { get; init; } = [];

    /// <summary>Limits of those nodes that take more from the pool, because they do not exist yet: all of them unless said otherwise.</summary>
    public ImmutableArray<Amounts> Missing { get => field.IsDefault ? Nodes : field; init; }
}

/// <summary>Another workspace of the same person in the same department that holds CPU and memory.</summary>
/// <param name="Frees">What stopping it would free.</param>
/// <param name="SameClass">It is charged to the same class; otherwise stopping it frees only the department's quota.</param>
public sealed record OwnWorkspace(string Name, Amounts Frees, bool SameClass);

/// <summary>All facts that decide about a launch, read in one transaction.</summary>
/// <param name="WorkersKnown">The template allows that many workers.</param>
/// <param name="Parameter">The first value of a parameter that is not allowed; null when all are.</param>
/// <param name="Wanted">Total of what is asked for: nodes, scratch folders, a new work folder and the workspace itself.</param>
/// <param name="Levels">Tenant, class, member.</param>
/// <param name="Capacity">Total capacity of the pool; null while unknown.</param>
/// <param name="StorageLeftGib">What the pool's storage can still promise, GiB; null while unknown.</param>
/// <param name="Others">Other choices of the template with their needs, the nearest first.</param>
/// <param name="Hours">Hours from now to the requested end time.</param>
public sealed record LaunchFacts(
    bool MayLaunch, bool TemplateOffered, bool SizeKnown, bool WorkersKnown, bool NameFree, ParameterFault? Parameter, string? NotAvailable,
    double Hours, int LongestHours, Amounts Wanted, ImmutableArray<QuotaState> Levels, Amounts? Capacity, long? StorageLeftGib,
    ImmutableArray<OtherChoice> Others)
{
    /// <summary>Limits of each node that is asked for, existing or not.</summary>
    public ImmutableArray<Amounts> Nodes { get; init; } = [];

    /// <summary>Limits of those that take more from the pool, because they do not exist yet: all of them unless said otherwise.</summary>
    public ImmutableArray<Amounts> Missing { get => field.IsDefault ? Nodes : field; init; }

    /// <summary>What nodes occupy in the pool.</summary>
    public Machines Machines { get; init; } = Machines.Exact;

    /// <summary>What is asked for takes this from the pool, which may be more than the quotas count.</summary>
    public Amounts Occupied => Machines.Occupied(Missing);

    /// <summary>The largest single node that any machine of the pool can hold; null while unknown.</summary>
    public Amounts? LargestNode { get; init; }

    /// <summary>Why the template is not offered, as written by the person who decided; null while it is offered.</summary>
    public string? Deprecated { get; init; }

    /// <summary>What else this person has running.</summary>
    public ImmutableArray<OwnWorkspace> Own { get; init; } = [];

    /// <summary>The class is one of those that may launch it.</summary>
    public bool ForThisClass { get; init; } = true;
}

/// <summary>Why a launch is refused; the page has the text.</summary>
public enum RefusalReason
{
    NotAMember, TemplateGone, SizeUnknown, WorkersUnknown, ParameterWrong, NameTaken, NotAvailable, DiskNearlyFull, EndInThePast, EndTooLate,
    NeverPossible, OverQuota, NameInvalid, IdTaken, Deprecated, NotForClass, IdInvalid,
}

/// <param name="Field">Form field: "id", "name", "size", "workers", "end", "template", or "p." and a parameter's id; null if no field is concerned.</param>
/// <param name="BindingLimit">The level whose quota binds, for <see cref="RefusalReason.OverQuota"/>.</param>
/// <param name="Fits">A choice that would be accepted now; null for none.</param>
/// <param name="Detail">Further explanation, such as why something is not available.</param>
public sealed record Refusal(RefusalReason Reason, string? Field, QuotaLevel? BindingLimit = null, Resource? Resource = null, Fit? Fits = null,
    string? Detail = null)
{
    /// <summary>What is wrong, for <see cref="RefusalReason.ParameterWrong"/>.</summary>
    public ParameterFault? Parameter { get; init; }

    /// <summary>Names of the person's own workspaces that must stop for it to fit; empty if stopping them does not help.</summary>
    public ImmutableArray<string> Stop { get; init; } = [];
}

/// <summary>Decides about launches: facts in, decision out. Null means allowed.</summary>
public static class LaunchPolicy
{
    public static Refusal? Decide(LaunchFacts facts) => facts switch
    {
        { MayLaunch: false } => new(RefusalReason.NotAMember, null),
        { TemplateOffered: false } => new(RefusalReason.TemplateGone, "template"),
        { ForThisClass: false } => new(RefusalReason.NotForClass, "template"),
        { Deprecated: { } why } => new(RefusalReason.Deprecated, "template", Detail: why),
        { SizeKnown: false } => new(RefusalReason.SizeUnknown, "size"),
        { WorkersKnown: false } => new(RefusalReason.WorkersUnknown, "workers"),
        { Parameter: { } fault } => new(RefusalReason.ParameterWrong, "p." + fault.Id) { Parameter = fault },
        { NameFree: false } => new(RefusalReason.NameTaken, "name"),
        { Hours: <= 0 } => new(RefusalReason.EndInThePast, "end"),
        _ when facts.Hours > facts.LongestHours => new(RefusalReason.EndTooLate, "end"),
        { NotAvailable: { } why } => new(RefusalReason.NotAvailable, "template", Detail: why),
        _ => Fits(new(new("", 0), facts.Wanted) { Nodes = facts.Nodes, Missing = facts.Missing }, facts),
    };

    /// <summary>
    /// The binding limit of a choice, all else unchanged: what the pool can never run, a quota, or a disk that could not provide what is promised.
    /// </summary>
    public static Refusal? BindingLimitOf(OtherChoice choice, LaunchFacts facts) => Fits(choice, facts with { Others = [] });

    /// <summary>The first resource for which no machine of the pool can hold one of these nodes; null if each has one.</summary>
    /// <param name="largest">The largest single node that any machine can hold; null while unknown.</param>
    public static Resource? NeverHeld(IEnumerable<Amounts> nodes, Amounts? largest, Machines machines) =>
        nodes.Select(n => Above(n, largest) ?? machines.Lacks(n)).FirstOrDefault(r => r is not null);

    private static Refusal? Fits(OtherChoice choice, LaunchFacts facts)
    {
        var wanted = choice.Wanted;
        if ((Above(facts.Machines.Occupied(choice.Missing), facts.Capacity) ?? NeverHeld(choice.Nodes, facts.LargestNode, facts.Machines)) is { } never)
            return new(RefusalReason.NeverPossible, "size", Resource: never, Fits: NearestFit(facts));
        // The limit closest to the person is named first, because that is the one they can do something about.
        foreach (var level in facts.Levels.OrderByDescending(l => l.Level))
            if (wanted.FirstAbove(level.Free) is { } above)
                return new(RefusalReason.OverQuota, "size", level.Level, above, NearestFit(facts)) { Stop = ToStop(choice, facts) };
        return wanted.StorageGib > facts.StorageLeftGib ? new(RefusalReason.DiskNearlyFull, null, Fits: NearestFit(facts)) : null;
    }

    private static Fit? NearestFit(LaunchFacts facts) => facts.Others.FirstOrDefault(o => Fits(o, facts with { Others = [] }) is null)?.Choice;

    /// <summary>The person's smallest workspace that frees enough when stopped; if there is none, as few as possible together.</summary>
    private static ImmutableArray<string> ToStop(OtherChoice choice, LaunchFacts facts)
    {
        bool Enough(IEnumerable<OwnWorkspace> stopped) =>
            Fits(choice, facts with { Own = [], Others = [], Levels = Without(facts.Levels, stopped) }) is null;
        var largest = facts.Own.OrderByDescending(o => o.Frees.MemoryMib).ThenByDescending(o => o.Frees.Vcpu).ToArray();
        if (largest.LastOrDefault(o => Enough([o])) is { } one) return [one.Name];
        for (var n = 2; n <= largest.Length; n++)
            if (Enough(largest.Take(n))) return [.. largest.Take(n).Select(o => o.Name)];
        return [];
    }

    private static ImmutableArray<QuotaState> Without(ImmutableArray<QuotaState> levels, IEnumerable<OwnWorkspace> stopped) =>
        [.. levels.Select(l => l with
        {
            Promised = stopped.Where(o => o.SameClass || l.Level is QuotaLevel.Tenant).Aggregate(l.Promised, (sum, o) => sum - o.Frees),
        })];

    private static Resource? Above(Amounts occupied, Amounts? limit) => limit is null ? null : occupied.FirstAbove(limit);
}
