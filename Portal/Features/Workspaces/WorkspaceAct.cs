using Portal.Core.Catalog;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>What a person can do with a workspace from a page.</summary>
public enum WorkspaceAct { Open, Start, StartNewest, StartOtherwise, StartWithoutSettings, TryAgain, Cancel, Resize, TakeBack, Stop, Extend, Delete, Keep }

/// <summary>Which actions to offer. The verbs decide for themselves; this only hides buttons that would be refused.</summary>
public static class WorkspaceActs
{
    /// <summary>The most useful action first.</summary>
    /// <param name="owner">The workspace is this person's own.</param>
    /// <param name="mayDelete">For someone else's workspace: this person runs the department or the site.</param>
    public static IReadOnlyList<WorkspaceAct> Of(WorkspaceView workspace, bool owner, bool mayDelete)
    {
        IReadOnlyList<WorkspaceAct> all = workspace.Status switch
        {
            WorkspaceStatus.Queued or WorkspaceStatus.Starting =>
                workspace.RequestedRun is null ? [WorkspaceAct.Cancel, WorkspaceAct.Delete] : [WorkspaceAct.Delete],
            WorkspaceStatus.Ready when workspace.Template.WorkerRole() is { Workers: { } range } && range.Max > range.Min =>
                [WorkspaceAct.Open, WorkspaceAct.Resize, WorkspaceAct.Stop, WorkspaceAct.Extend, WorkspaceAct.Delete],
            WorkspaceStatus.Ready => [WorkspaceAct.Open, WorkspaceAct.Stop, WorkspaceAct.Extend, WorkspaceAct.Delete],
            // Only while it can be reverted: workers that have begun to leave do not come back.
            WorkspaceStatus.Resizing when workspace.RequestedRun is null && !workspace.Run.Releasing && workspace.Run.Workers > workspace.Workers =>
                [WorkspaceAct.Open, WorkspaceAct.TakeBack, WorkspaceAct.Stop, WorkspaceAct.Extend, WorkspaceAct.Delete],
            WorkspaceStatus.Resizing => [WorkspaceAct.Open, WorkspaceAct.Stop, WorkspaceAct.Extend, WorkspaceAct.Delete],
            // A worker that is being restarted needs no action, and trying again would end everything that is still running.
            WorkspaceStatus.Attention when workspace.Run.Kind is RunKind.Launch or RunKind.Start or RunKind.Resize =>
                [.. Again(workspace), WorkspaceAct.Stop, WorkspaceAct.Extend, WorkspaceAct.Delete],
            WorkspaceStatus.Attention when workspace.Run.Kind is RunKind.Stop => [WorkspaceAct.Stop, WorkspaceAct.Delete],
            WorkspaceStatus.Attention => [WorkspaceAct.Delete],
            WorkspaceStatus.Stopping => [WorkspaceAct.Delete],
            WorkspaceStatus.Stopped => [WorkspaceAct.Start, .. Otherwise(workspace), WorkspaceAct.Delete],
            WorkspaceStatus.Failed => [WorkspaceAct.TryAgain, .. Otherwise(workspace), WorkspaceAct.Delete],
            _ => [],
        };
        if (workspace.RequestedRun is RunKind.Delete) all = [.. all.Where(a => a is not WorkspaceAct.Delete)];
        return owner ? all : [.. all.Where(a => a is WorkspaceAct.Stop or WorkspaceAct.Cancel || (a is WorkspaceAct.Delete && mayDelete))];
    }

    private static IReadOnlyList<WorkspaceAct> Again(WorkspaceView workspace) =>
        workspace.AutomaticRestarts is RestartState.Again ? [] : [WorkspaceAct.TryAgain, WorkspaceAct.StartWithoutSettings];

    /// <summary>Starts with changes.</summary>
    private static IEnumerable<WorkspaceAct> Otherwise(WorkspaceView workspace)
    {
        if (workspace.Newer is not null) yield return WorkspaceAct.StartNewest;
        // With one size and one number of workers there is nothing to choose.
        var workers = workspace.Template.WorkerRole()?.Workers;
        if (workspace.Template.Sizes.Count > 1 || workers is { } range && range.Max > range.Min) yield return WorkspaceAct.StartOtherwise;
        yield return WorkspaceAct.StartWithoutSettings;
    }
}

/// <summary>What a person asked for.</summary>
/// <param name="EndAt">For <see cref="WorkspaceAct.Extend"/>: the new end time.</param>
/// <param name="Workers">For <see cref="WorkspaceAct.Resize"/>: the new number; null asks the person.</param>
public sealed record WorkspaceAsk(WorkspaceAct Act, DateTimeOffset? EndAt = null, int? Workers = null)
{
    /// <summary>How long, for <see cref="WorkspaceAct.Keep"/>.</summary>
    public int Hours { get; init; }
}
