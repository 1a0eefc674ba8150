using Portal.Core.Catalog;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>What a person can do with a workspace from a page.</summary>
public enum WorkspaceAction { Open, Start, StartNewest, StartOtherwise, StartWithoutSettings, TryAgain, Cancel, Resize, TakeBack, Stop, Extend, Delete, Keep }

/// <summary>Which actions to offer. The verbs decide for themselves; this only hides buttons that would be refused.</summary>
public static class WorkspaceActions
{
    /// <summary>The most useful action first.</summary>
    /// <param name="owner">The workspace is this person's own.</param>
    /// <param name="mayDelete">For someone else's workspace: this person runs the department or the site.</param>
    public static IReadOnlyList<WorkspaceAction> Of(WorkspaceView workspace, bool owner, bool mayDelete)
    {
        IReadOnlyList<WorkspaceAction> all = workspace.Status switch
        {
            WorkspaceStatus.Queued or WorkspaceStatus.Starting =>
                workspace.RequestedRun is null ? [WorkspaceAction.Cancel, WorkspaceAction.Delete] : [WorkspaceAction.Delete],
            WorkspaceStatus.Ready when workspace.Template.WorkerRole() is { Workers: { } range } && range.Max > range.Min =>
                [WorkspaceAction.Open, WorkspaceAction.Resize, WorkspaceAction.Stop, WorkspaceAction.Extend, WorkspaceAction.Delete],
            WorkspaceStatus.Ready => [WorkspaceAction.Open, WorkspaceAction.Stop, WorkspaceAction.Extend, WorkspaceAction.Delete],
            // Only while it can be reverted: workers that have begun to leave do not come back.
            WorkspaceStatus.Resizing when workspace.RequestedRun is null && !workspace.Run.Releasing && workspace.Run.Workers > workspace.Workers =>
                [WorkspaceAction.Open, WorkspaceAction.TakeBack, WorkspaceAction.Stop, WorkspaceAction.Extend, WorkspaceAction.Delete],
            WorkspaceStatus.Resizing => [WorkspaceAction.Open, WorkspaceAction.Stop, WorkspaceAction.Extend, WorkspaceAction.Delete],
            // A worker that is being restarted needs no action, and trying again would end everything that is still running.
            WorkspaceStatus.Attention when workspace.Run.Kind is RunKind.Launch or RunKind.Start or RunKind.Resize =>
                [.. Again(workspace), WorkspaceAction.Stop, WorkspaceAction.Extend, WorkspaceAction.Delete],
            WorkspaceStatus.Attention when workspace.Run.Kind is RunKind.Stop => [WorkspaceAction.Stop, WorkspaceAction.Delete],
            WorkspaceStatus.Attention => [WorkspaceAction.Delete],
            WorkspaceStatus.Stopping => [WorkspaceAction.Delete],
            WorkspaceStatus.Stopped => [WorkspaceAction.Start, .. Otherwise(workspace), WorkspaceAction.Delete],
            WorkspaceStatus.Failed => [WorkspaceAction.TryAgain, .. Otherwise(workspace), WorkspaceAction.Delete],
            _ => [],
        };
        if (workspace.RequestedRun is RunKind.Delete) all = [.. all.Where(a => a is not WorkspaceAction.Delete)];
        return owner ? all : [.. all.Where(a => a is WorkspaceAction.Stop or WorkspaceAction.Cancel || (a is WorkspaceAction.Delete && mayDelete))];
    }

    /// <summary>It opens a dialog first.</summary>
    public static bool Asks(this WorkspaceAction action, WorkspaceStatus status) =>
        action is WorkspaceAction.Stop or WorkspaceAction.Delete or WorkspaceAction.StartOtherwise or WorkspaceAction.Resize
        || (status is WorkspaceStatus.Attention && action is (WorkspaceAction.TryAgain or WorkspaceAction.StartWithoutSettings));

    private static IReadOnlyList<WorkspaceAction> Again(WorkspaceView workspace) =>
        workspace.AutomaticRestarts is RestartState.Again ? [] : [WorkspaceAction.TryAgain, WorkspaceAction.StartWithoutSettings];

    /// <summary>Starts with changes.</summary>
    private static IEnumerable<WorkspaceAction> Otherwise(WorkspaceView workspace)
    {
        if (workspace.Newer is not null) yield return WorkspaceAction.StartNewest;
        // With one size and one number of workers there is nothing to choose.
        var workers = workspace.Template.WorkerRole()?.Workers;
        if (workspace.Template.Sizes.Count > 1 || workers is { } range && range.Max > range.Min) yield return WorkspaceAction.StartOtherwise;
        yield return WorkspaceAction.StartWithoutSettings;
    }
}

/// <summary>An action that a person requests.</summary>
/// <param name="EndAt">For <see cref="WorkspaceAction.Extend"/>: the new end time.</param>
/// <param name="Workers">For <see cref="WorkspaceAction.Resize"/>: the new number; null asks the person.</param>
public sealed record WorkspaceActionRequest(WorkspaceAction Action, DateTimeOffset? EndAt = null, int? Workers = null)
{
    /// <summary>How long, for <see cref="WorkspaceAction.Keep"/>.</summary>
    public int Hours { get; init; }
}
