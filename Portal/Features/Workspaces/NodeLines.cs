using Portal.Core.Catalog;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>The state of a node, judged by what its workspace is doing: a node that is not running yet, or was stopped, has not failed.</summary>
public enum NodeStage { Running, Coming, Leaving, Down }

/// <param name="Seen">The node as Jobs last saw it; null for one that should exist but does not.</param>
public sealed record NodeLine(string Name, bool IsWorker, NodeView? Seen)
{
    public NodeStage Stage { get; init; } = Seen is { Running: true } ? NodeStage.Running : NodeStage.Down;

    /// <summary>Limit of its scratch folder; 0 if it has none.</summary>
    public long ScratchLimitBytes { get; init; }

    public bool Runs => Seen is { Running: true };
}

/// <summary>The nodes that a workspace should have, with what was seen of them: a missing one has no row of its own but is still listed.</summary>
public static class NodeLines
{
    public static IReadOnlyList<NodeLine> Of(WorkspaceView workspace)
    {
        var seen = workspace.Nodes.ToDictionary(n => n.Name, StringComparer.Ordinal);
        var wanted = workspace.Template.Nodes(workspace.Size.Id, workspace.Workers);
        IEnumerable<NodeLine> known =
            wanted.Select(n =>
                new NodeLine(n.Name, n.Role.Workers is not null, seen.GetValueOrDefault(n.Name)) { ScratchLimitBytes = (long)n.Role.ScratchGib << 30 });
        var worker = workspace.Template.WorkerRole();
        var leaving = workspace.Nodes
            .Where(n => wanted.All(w => w.Name != n.Name))
            .Select(n => new NodeLine(n.Name, n.Role == worker?.Name, n) { ScratchLimitBytes = n.Role == worker?.Name ? (long)worker.ScratchGib << 30 : 0 });
        return [.. known.Concat(leaving).Select(n => n with { Stage = StageOf(n, workspace.Status) })];
    }

    private static NodeStage StageOf(NodeLine node, WorkspaceStatus status) => status switch
    {
        _ when node.Runs => NodeStage.Running,
        WorkspaceStatus.Queued or WorkspaceStatus.Starting or WorkspaceStatus.Resizing when node.Seen is null or { ExitCode: null } => NodeStage.Coming,
        WorkspaceStatus.Stopping or WorkspaceStatus.Stopped or WorkspaceStatus.Deleting or WorkspaceStatus.Deleted => NodeStage.Leaving,
        _ => NodeStage.Down,
    };
}
