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

    public bool Leaves(string node) => !Names.Contains(node, StringComparer.Ordinal);
}

/// <summary>
/// Nodes that a workspace has beyond its number of workers, with their folders. They are removed in the order of every release: node confirmed gone, host
/// unmounted, rule confirmed gone, folder removed. Each may be repeated.
/// </summary>
public sealed class LeavingWorkers(IDbContextFactory<PortalDb> databases, IClusterCloud clusters, IShareCloud shares, IFilesetCloud filesets)
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
            .Where(n => kept.Leaves(n.Name))
            .OrderByDescending(n => n.Name.Length)
            .ThenByDescending(n => n.Name, StringComparer.Ordinal)];

    /// <summary>Removes them; returns those that are still seen.</summary>
    public async Task<IReadOnlyList<NodeStatus>> RemoveAsync(Kept kept, CancellationToken cancel)
    {
        var seen = await SeenAsync(kept, cancel);
        if (seen.Count == 0) return seen;
        await clusters.RemoveNodesAsync(kept.Workspace.Id, [.. seen.Select(n => n.Name)], cancel);
        return await SeenAsync(kept, cancel);
    }

    /// <summary>Unmounts and denies their scratch folders after none of them is seen; true once no rule for one is seen any more.</summary>
    public async Task<bool> DisconnectAsync(Kept kept, CancellationToken cancel)
    {
        var trusted = await TrustedAsync(kept, cancel);
        if (trusted.Count == 0) return true;
        await shares.UnmountAsync(kept.Workspace.Id, trusted, cancel);
        await shares.DenyAsync(kept.Workspace.Id, trusted, cancel);
        return (await TrustedAsync(kept, cancel)).Count == 0;
    }

    /// <summary>Removes their scratch folders after nothing mounts them; true once none is seen any more.</summary>
    public async Task<bool> DropFoldersAsync(Kept kept, CancellationToken cancel)
    {
        var folders = await FoldersAsync(kept, cancel);
        if (folders.Count == 0) return true;
        await filesets.RemoveScratchAsync(kept.Workspace.ClassId, kept.Workspace.Id, folders, cancel);
        return (await FoldersAsync(kept, cancel)).Count == 0;
    }

    private async Task<IReadOnlyList<string>> TrustedAsync(Kept kept, CancellationToken cancel) =>
        [.. (await shares.AccessAsync(cancel))
            .Where(a => a.Workspace == kept.Workspace.Id && a.Scratch is { } node && kept.Leaves(node))
            .Select(a => a.Scratch!)
            .Distinct(StringComparer.Ordinal)];

    private async Task<IReadOnlyList<string>> FoldersAsync(Kept kept, CancellationToken cancel) =>
        [.. (await filesets.ScratchAsync(cancel)).Where(f => f.Workspace == kept.Workspace.Id && kept.Leaves(f.Node)).Select(f => f.Node)];
}
