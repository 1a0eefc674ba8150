using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;

namespace Portal.Core.Workspaces;

/// <summary>Whether every node that a workspace should have is running. A missing node counts as down, whatever the cause.</summary>
public static class NodesHealthy
{
    /// <param name="seen">Nodes of the current generation.</param>
    public static bool Of(TemplateSpec spec, string size, int workers, IReadOnlyCollection<NodeRow> seen) =>
        spec.Nodes(size, workers).All(wanted => seen.Any(n => n.Name == wanted.Name && n.Running));

    public static async Task<bool> ReadAsync(PortalDb db, Workspace workspace, TemplateSpec spec, CancellationToken cancel) =>
        Of(spec, workspace.SizeId, workspace.Workers,
            await db.Nodes.AsNoTracking().Where(n => n.WorkspaceId == workspace.Id && n.Generation == workspace.Generation).ToListAsync(cancel));
}
