using System.Diagnostics;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>The status of a workspace, as shown to people.</summary>
public enum WorkspaceStatus { Queued, Starting, Ready, Resizing, Attention, Stopping, Stopped, Failed, Deleting, Deleted }

public static class StatusOf
{
    /// <summary>Derived from the newest run, and from whether all nodes run; never stored.</summary>
    /// <remarks>A Resize does not change whether a workspace is up: once it has ended, the run before it decides, see <see cref="LifecycleRuns"/>.</remarks>
    /// <param name="releasing">The forward steps failed and what was made is being released.</param>
    /// <param name="nodesHealthy">No node of the current generation has exited on its own, and nothing that they need was taken away.</param>
    public static WorkspaceStatus Run(RunKind kind, RunPhase phase, bool releasing, bool nodesHealthy) => (kind, phase) switch
    {
        (RunKind.Launch or RunKind.Start, RunPhase.Queued) => WorkspaceStatus.Queued,
        (RunKind.Launch or RunKind.Start, RunPhase.Waiting or RunPhase.Handed or RunPhase.Active) =>
            releasing ? WorkspaceStatus.Stopping : WorkspaceStatus.Starting,
        (RunKind.Launch or RunKind.Start, RunPhase.Succeeded) => nodesHealthy ? WorkspaceStatus.Ready : WorkspaceStatus.Attention,
        (RunKind.Launch or RunKind.Start, RunPhase.Failed) => WorkspaceStatus.Failed,
        // A cancelled run is followed by the requested run; it is the newest only if nothing had been made.
        (RunKind.Launch or RunKind.Start, RunPhase.Cancelled) => WorkspaceStatus.Stopped,
        (RunKind.Resize, RunPhase.Queued or RunPhase.Waiting or RunPhase.Handed or RunPhase.Active) => WorkspaceStatus.Resizing,
        // Whatever its outcome, the cluster exists, either as it was or as ordered.
        (RunKind.Resize, RunPhase.Succeeded or RunPhase.Failed or RunPhase.Cancelled) => nodesHealthy ? WorkspaceStatus.Ready : WorkspaceStatus.Attention,
        (RunKind.Stop, RunPhase.Succeeded) => WorkspaceStatus.Stopped,
        (RunKind.Stop, RunPhase.Queued or RunPhase.Waiting or RunPhase.Handed or RunPhase.Active or RunPhase.Cancelled) => WorkspaceStatus.Stopping,
        (RunKind.Delete, RunPhase.Succeeded) => WorkspaceStatus.Deleted,
        (RunKind.Delete, RunPhase.Queued or RunPhase.Waiting or RunPhase.Handed or RunPhase.Active or RunPhase.Cancelled) => WorkspaceStatus.Deleting,
        (RunKind.Stop or RunKind.Delete, RunPhase.Failed) => WorkspaceStatus.Attention,
        _ => throw new UnreachableException($"{kind} {phase}"),
    };
}
