using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Steps;

/// <param name="Spec">Template of the workspace's own version, whatever an order says.</param>
/// <param name="Names">Nodes that it must keep.</param>
public sealed record Kept(Workspace Workspace, TemplateSpec Spec, IReadOnlyCollection<string> Names)
{
    public bool HasScratch => Spec.WorkerRole() is { ScratchGib: > 0 };

    /// <summary>Everything of the nodes beyond them.</summary>
    public ReleaseScope Others => ReleaseScope.NodesBeyond(Workspace.Id, Names);

    public bool Leaves(string node) => !Names.Contains(node, StringComparer.Ordinal);
}

/// <summary>Nodes that a workspace has beyond its number of workers; <see cref="Release"/> removes them with their folders.</summary>
public sealed class LeavingWorkers(IDbContextFactory<PortalDb> databases, IClusterCloud clusters)
{
    /// <param name="atMost">Fewer workers than it has now; null for its present number.</param>
    public async Task<Kept> KeptAsync(Guid workspace, int? atMost, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var row = await db.Workspaces
            .AsNoTracking()
            .Where(w => w.Id == workspace)
            .Join(db.TemplateVersions, w => w.TemplateVersionId, t => t.Id, (w, t) => new { w, t.Spec })
            .SingleAsync(cancel);
        return new(row.w, row.Spec, [.. row.Spec.Nodes(row.w.SizeId, Math.Min(row.w.Workers, atMost ?? int.MaxValue)).Select(n => n.Name)]);
    }

    /// <summary>Those that exist; the highest number first.</summary>
    public async Task<IReadOnlyList<NodeStatus>> SeenAsync(Kept kept, CancellationToken cancel) =>
        [.. ((await clusters.LookAsync(kept.Workspace.Id, cancel))?.Nodes ?? [])
            .Where(kept.Others.Covers)
            .OrderByDescending(n => n.Name.Length)
            .ThenByDescending(n => n.Name, StringComparer.Ordinal)];
}
