using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Steps;

/// <summary>All input to steps: ids, and rows that Jobs or the migrator wrote. Nothing that the web
/// process could have invented names a path, an image or a command.</summary>
/// <param name="Images">References of the images that are ready in its pool, by name.</param>
/// <param name="Version">The version that the run orders, or else the workspace's own.</param>
public sealed record RunFacts(Workspace Workspace, Class Class, Tenant Tenant, Person Person, TemplateVersion Version, WorkFolder Folder,
    IReadOnlyDictionary<string, string> Images)
{
    public required CloudKits Kits { get; init; }
    public required string PoolKey { get; init; }

    /// <summary>The pool in which it runs. Throws where it is needed if this process does not know it: what needs no cloud goes on.</summary>
    public CloudKit Kit => Kits.Of(PoolKey);

    public TemplateSpec Spec => Version.Spec;

    /// <summary>What the run orders, or else the workspace's current value.</summary>
    public required string SizeId { get; init; }
    public required int Workers { get; init; }

    /// <summary>The run orders that the owner's own settings are ignored.</summary>
    public bool WithoutSettings { get; init; }

    /// <summary>Null if the order names a size that its version does not have.</summary>
    public SizeSpec? Size => Spec.Size(SizeId);

    /// <summary>A Resize to no more workers than there are: nothing has to be created.</summary>
    public bool Shrinks(HeldRun run) => run.Kind is Core.Runs.RunKind.Resize && Workers <= Workspace.Workers;

    /// <summary>The owner's files in this class.</summary>
    public FolderRef.Work WorkFolder => new(Workspace.ClassId, Workspace.PersonId);

    /// <summary>The node's scratch folder; null if its role has none.</summary>
    public FolderRef.Scratch? ScratchOf(NodeShape node) => node.Role.ScratchGib > 0 ? new(Workspace.ClassId, Workspace.Id, node.Name) : null;

    /// <summary>Every node that should exist.</summary>
    public IReadOnlyList<NodeShape> Nodes => Spec.Nodes(SizeId, Workers);
}

public sealed class RunFactsReader(IDbContextFactory<PortalDb> databases, CloudKits kits)
{
    public async Task<RunFacts> ReadAsync(HeldRun run, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var order = await db.Runs.AsNoTracking().SingleAsync(r => r.Id == run.Id, cancel);
        return await ReadAsync(db, run.WorkspaceId, order, cancel);
    }

    /// <summary>For a workspace as it is, for work that was not ordered.</summary>
    public async Task<RunFacts> ReadAsync(Guid workspace, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await ReadAsync(db, workspace, null, cancel);
    }

    private async Task<RunFacts> ReadAsync(PortalDb db, Guid workspace, Core.Runs.Run? order, CancellationToken cancel)
    {
        var orderedVersion = order?.TemplateVersionId;
        var row = await (from w in db.Workspaces
                         join c in db.Classes on w.ClassId equals c.Id
                         join t in db.Tenants on c.TenantId equals t.Id
                         join p in db.Persons on w.PersonId equals p.Id
                         join v in db.TemplateVersions on orderedVersion ?? w.TemplateVersionId equals v.Id
                         join f in db.WorkFolders on w.WorkFolderId equals f.Id
                         where w.Id == workspace
                         select new { w, c, t, p, v, f }).AsNoTracking().SingleAsync(cancel);
        var images = await db.Images.AsNoTracking()
            .Where(i => i.PoolKey == row.t.PoolKey && i.State == ImageState.Ready && i.Reference != null)
            .ToDictionaryAsync(i => i.Name, i => i.Reference!, StringComparer.Ordinal, cancel);
        return new(row.w, row.c, row.t, row.p, row.v, row.f, images)
        {
            Kits = kits,
            PoolKey = row.t.PoolKey,
            SizeId = order?.SizeId ?? row.w.SizeId,
            Workers = order?.Workers ?? row.w.Workers,
            WithoutSettings = order?.WithoutSettings ?? row.w.WithoutSettings,
        };
    }

    /// <summary>The workspace with its current generation and subnet: the first step changes them.</summary>
    public async Task<Workspace> WorkspaceAsync(Guid id, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Workspaces.AsNoTracking().SingleAsync(w => w.Id == id, cancel);
    }
}
