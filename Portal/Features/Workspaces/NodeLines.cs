using Portal.Core.Catalog;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <param name="Seen">As Jobs last saw it; null for one that should be there and is gone.</param>
public sealed record NodeLine(string Name, bool IsWorker, NodeView? Seen)
{
    /// <summary>Limit of its scratch folder; 0 where it has none.</summary>
    public long ScratchLimitBytes { get; init; }

    public bool Runs => Seen is { Running: true };
}

/// <summary>Nodes that a workspace should have, beside what was seen of them: one that is gone has no row of its own, and is missed all the same.</summary>
public static class NodeLines
{
    public static IReadOnlyList<NodeLine> Of(WorkspaceView workspace)
    {
        var seen = workspace.Nodes.ToDictionary(n => n.Name, StringComparer.Ordinal);
        var wanted = workspace.Template.Nodes(workspace.Size.Id, workspace.Workers);
        IEnumerable<NodeLine> known = wanted.Select(n => new NodeLine(n.Name, n.Role.Workers is not null, seen.GetValueOrDefault(n.Name)) { ScratchLimitBytes = (long)n.Role.ScratchGib << 30 });
        var worker = workspace.Template.WorkerRole();
        var leaving = workspace.Nodes.Where(n => wanted.All(w => w.Name != n.Name)).Select(n => new NodeLine(n.Name, n.Role == worker?.Name, n) { ScratchLimitBytes = n.Role == worker?.Name ? (long)worker.ScratchGib << 30 : 0 });
        return [.. known, .. leaving];
    }
}
