using Portal.Core.Catalog;

namespace Portal.Core.Runs;

/// <summary>Names of the steps of all plans. What each does is in Jobs; what it is called on a page is in the web's texts.</summary>
public enum StepKey
{
    CheckOrder, EnsureWorkFolder, EnsureAccess, EnsureCluster, ProveEngine, ProveNotebook,
    StopNodes, Unmount, DenyAccess, DropNetwork,
    DropScratch, Forget,
}

/// <summary>Which steps each kind of run has, in order. Jobs executes exactly these and pages list exactly these.</summary>
public static class PlanSteps
{
    private static readonly StepKey[] BringUp = [StepKey.CheckOrder, StepKey.EnsureWorkFolder, StepKey.EnsureAccess, StepKey.EnsureCluster, StepKey.ProveEngine, StepKey.ProveNotebook];

    /// <summary>
    /// Storage is released last, in this order and no other: nodes seen gone, then the host's mount, then the rule that trusts it,
    /// then the network whose address the rule named. Only a Delete then removes scratch folders; work folders always stay.
    /// </summary>
    public static readonly IReadOnlyList<StepKey> Release = [StepKey.StopNodes, StepKey.Unmount, StepKey.DenyAccess, StepKey.DropNetwork];

    /// <summary>False for a step that passes at once with this template: pages leave it out.</summary>
    public static bool HasWork(StepKey step, TemplateSpec spec) => step switch
    {
        StepKey.ProveEngine => spec.Roles.Any(r => r.Workers is not null || r.Health is not null),
        StepKey.DropScratch => spec.Roles.Any(r => r.ScratchGib > 0),
        _ => true,
    };

    /// <summary>The steps of a kind. <paramref name="releasing"/>: what a failed Launch or Start still does.</summary>
    public static IReadOnlyList<StepKey> Of(RunKind kind, bool releasing) => (kind, releasing) switch
    {
        (RunKind.Launch or RunKind.Start, false) => BringUp,
        (RunKind.Launch or RunKind.Start, true) => Release,
        (RunKind.Stop, _) => Release,
        (RunKind.Delete, _) => [.. Release, StepKey.DropScratch, StepKey.Forget],
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
