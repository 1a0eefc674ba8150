using System.Collections.Immutable;
using Portal.Core.Catalog;

namespace Portal.Core.Runs;

/// <summary>Names of the steps of all plans. Their code is in Jobs; their titles on pages are in the web's texts.</summary>
public enum StepKey
{
    CheckOrder, EnsureWorkFolder, EnsureAccess, EnsureCluster, ProveEngine, ProveNotebook,
    StopNodes, Unmount, DenyAccess, DropNetwork,
    DropScratch, Forget,
    CheckResize, DrainWorkers, DropWorkers, UnmountWorkers, DropWorkerScratch, KeepWorkers,
    /// <summary>Read from a row that another version of the portal wrote, which has a step that this one does not.</summary>
    Unknown,
}

/// <summary>Which steps each kind of run has, in order. Jobs executes exactly these and pages list exactly these.</summary>
public static class PlanSteps
{
    private static readonly ImmutableArray<StepKey> BringUp = [StepKey.CheckOrder, StepKey.EnsureWorkFolder, StepKey.EnsureAccess, StepKey.EnsureCluster,
        StepKey.ProveEngine, StepKey.ProveNotebook];

    /// <summary>
    /// Storage is released last, in exactly this order: nodes confirmed gone, then the host's mount, then the rule that trusts it,
    /// then the network whose address the rule named. Only a Delete then removes scratch folders; work folders always stay.
    /// </summary>
    public static readonly ImmutableArray<StepKey> Release = [StepKey.StopNodes, StepKey.Unmount, StepKey.DenyAccess, StepKey.DropNetwork];

    /// <summary>
    /// How workers leave: drained, then confirmed gone, then their folders disconnected and removed, in the order of every release. Undoing
    /// a failed Resize does the same with the new workers. Nothing else of the workspace is touched.
    /// </summary>
    private static readonly ImmutableArray<StepKey> Leave = [StepKey.DrainWorkers, StepKey.DropWorkers, StepKey.UnmountWorkers, StepKey.DropWorkerScratch];
    private static readonly ImmutableArray<StepKey> Join = [StepKey.EnsureWorkFolder, StepKey.EnsureAccess, StepKey.EnsureCluster];

    /// <summary>One plan for both directions: steps that do not apply to growing or shrinking finish immediately.</summary>
    private static readonly ImmutableArray<StepKey> Resize = [StepKey.CheckResize, .. Leave, .. Join, StepKey.ProveEngine, StepKey.KeepWorkers];

    /// <summary>True if a permanent fault in this step fails the run, so that what it has made is released. All other steps are repeated until done.</summary>
    public static bool GivesUp(RunKind kind, bool releasing, StepKey step) =>
        !releasing && (kind is RunKind.Launch or RunKind.Start || (kind is RunKind.Resize && !Leave.Contains(step)));

    /// <summary>Whether a Resize to that many workers needs this step; workers may already be the new number.</summary>
    public static bool HasWork(StepKey step, int workers, int target) => target > workers ? !Leave.Contains(step) : !Join.Contains(step);

    /// <summary>False for a step that has nothing to do for this template; pages omit it.</summary>
    public static bool HasWork(StepKey step, TemplateSpec spec) => step switch
    {
        StepKey.ProveEngine => spec.Roles.Any(r => r.Workers is not null || r.Health is not null) || spec.Apps.Any(a => a.Health is not null),
        StepKey.DrainWorkers => spec.WorkerRole()?.Drain is not null,
        StepKey.UnmountWorkers or StepKey.DropWorkerScratch => spec.WorkerRole() is { ScratchGib: > 0 },
        StepKey.DropScratch => spec.Roles.Any(r => r.ScratchGib > 0),
        _ => true,
    };

    /// <summary>
    /// What follows a finished step; null after the last. After a step that the plan does not have, which only another version of the portal
    /// stores, the plan begins again: every step finds what is there.
    /// </summary>
    /// <param name="done">Null for none.</param>
    public static StepKey? Next(RunKind kind, bool releasing, StepKey? done)
    {
        var steps = Of(kind, releasing);
        var at = done is { } step ? steps.IndexOf(step) + 1 : 0;
        return at < steps.Length ? steps[at] : null;
    }

    /// <summary>A step's name as stored; <see cref="StepKey.Unknown"/> if this version does not have it.</summary>
    public static StepKey Parse(string name) => Enum.TryParse<StepKey>(name, out var key) && key.ToString() == name ? key : StepKey.Unknown;

    /// <summary>The steps of a kind. <paramref name="releasing"/>: the remaining steps of a failed Launch, Start or Resize.</summary>
    public static ImmutableArray<StepKey> Of(RunKind kind, bool releasing) => (kind, releasing) switch
    {
        (RunKind.Launch or RunKind.Start, false) => BringUp,
        (RunKind.Launch or RunKind.Start, true) => Release,
        (RunKind.Resize, false) => Resize,
        (RunKind.Resize, true) => Leave,
        (RunKind.Stop, _) => Release,
        (RunKind.Delete, _) => [.. Release, StepKey.DropScratch, StepKey.Forget],
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
