using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Core.Access;

/// <param name="Title">Title of the app.</param>
/// <param name="Status">
/// Status of the workspace with regard to this app: <see cref="WorkspaceStatus.Ready"/> if it can be opened, <see cref="WorkspaceStatus.Attention"/>
/// if its own node is down.
/// </param>
public sealed record AppFound(Guid Workspace, string WorkspaceName, string Slug, string App, string Title, WorkspaceStatus Status);

/// <summary>Finds an app by its host name. Opens nothing: that takes a click, and <see cref="OpenApp"/>.</summary>
public sealed class FindApp(IDbContextFactory<PortalDb> databases)
{
    /// <summary>Null if there is none or it is not this person's; the caller cannot tell which.</summary>
    public async Task<AppFound?> RunAsync(Actor actor, string slug, string app, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var found = await (from w in db.Workspaces
                           join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                           where w.Slug == slug && w.DeletedAt == null
                           select new { w, t.Spec }).AsNoTracking().SingleOrDefaultAsync(cancel);
        if (found is null || !Permissions.May(Verb.OpenApp, await db.RolesAsync(actor, found.w.TenantId, found.w.ClassId, found.w.PersonId, cancel)))
            return null;
        if (found.Spec.AppsOnNodes(found.w.Workers).FirstOrDefault(a => a.Id == app) is not { } there) return null;
        if (await db.LifecycleRunAsync(found.w.Id, cancel) is not { } run) return null;
        var nodes = db.Nodes.AsNoTracking().Where(n => n.WorkspaceId == found.w.Id && n.Generation == found.w.Generation);
        var runs = await nodes.AnyAsync(n => n.Name == there.Node && n.Running, cancel);
        return new(found.w.Id, found.w.Name, slug, there.Id, there.Title, StatusOf.Run(run.Kind, run.Phase, run.Releasing, nodesHealthy: runs));
    }
}
