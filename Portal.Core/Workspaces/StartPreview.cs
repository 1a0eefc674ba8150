using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <summary>Which choices <see cref="StartWorkspace"/> would refuse now. Reserves nothing.</summary>
public sealed class StartPreview(IDbContextFactory<PortalDb> databases)
{
    /// <param name="newest">Whether to use the version that is offered now, if it is newer.</param>
    public async Task<ChoiceLimits> RunAsync(Actor actor, Guid workspaceId, string sizeId, bool newest, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var workspace = await db.Workspaces.AsNoTracking().SingleOrDefaultAsync(w => w.Id == workspaceId && w.DeletedAt == null, cancel);
        if (workspace is null) return ChoiceLimits.None;
        var roles = await db.RolesAsync(actor, workspace.TenantId, workspace.ClassId, workspace.PersonId, cancel);
        if (!Permissions.May(Verb.StartWorkspace, roles)) return ChoiceLimits.None;
        var present = await db.TemplateVersions.AsNoTracking().SingleAsync(t => t.Id == workspace.TemplateVersionId, cancel);
        var offered = newest
            ? await db.TemplateVersions.AsNoTracking().SingleOrDefaultAsync(t => t.TemplateId == present.TemplateId && !t.Retired, cancel)
            : null;
        var version = offered ?? present;
        // What is kept when a workspace stops, such as scratch folders, is already reserved.
        var held = await db.Reservations.Where(r => r.WorkspaceId == workspaceId && r.EndedAt == null && r.Kind == ReservationKind.Scratch)
            .SumAsync(r => r.StorageGib, cancel);
        var facts = await StartWorkspace.FactsAsync(db, workspace, version, new(sizeId, workspace.Workers), [], cancel);
        return ChoiceLimits.Of(version.Spec, sizeId, new(0, 0, -held, 0), facts);
    }
}
