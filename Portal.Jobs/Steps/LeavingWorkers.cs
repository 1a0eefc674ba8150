using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Steps;

/// <param name="Kit">The ports of the pool in which it runs.</param>
/// <param name="Spec">Template of the workspace's own version, whatever an order says.</param>
/// <param name="Names">Nodes that it must keep.</param>
public sealed record Kept(CloudKit Kit, Workspace Workspace, TemplateSpec Spec, IReadOnlyCollection<string> Names)
{
    public bool HasScratch => Spec.WorkerRole() is { ScratchGib: > 0 };

    /// <summary>Everything of the nodes beyond them.</summary>
    public ReleaseScope Others => ReleaseScope.NodesBeyond(Workspace.Id, Names);

    public bool Leaves(string node) => !Names.Contains(node, StringComparer.Ordinal);
}

/// <summary>Nodes that a workspace has beyond its number of workers; <see cref="Release"/> removes them with their folders.</summary>
public sealed class LeavingWorkers(IDbContextFactory<PortalDb> databases, CloudKits kits)
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
        var kit = (await kits.OfAsync(db, workspace, cancel))!;
        return new(kit, row.w, row.Spec, [.. row.Spec.Nodes(row.w.SizeId, Math.Min(row.w.Workers, atMost ?? int.MaxValue)).Select(n => n.Name)]);
    }

    /// <summary>Those that exist; the highest number first.</summary>
    public static async Task<IReadOnlyList<NodeStatus>> SeenAsync(Kept kept, CancellationToken cancel) =>
        [.. ((await kept.Kit.Clusters.LookAsync(kept.Workspace.Id, cancel))?.Nodes ?? [])
            .Where(kept.Others.Covers)
            .OrderByDescending(n => n.Name.Length)
            .ThenByDescending(n => n.Name, StringComparer.Ordinal)];
}
