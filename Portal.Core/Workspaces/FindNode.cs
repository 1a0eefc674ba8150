using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Workspaces;

/// <summary>Whether a workspace currently has this node, and whether this actor may see it.</summary>
public sealed class FindNode(IDbContextFactory<PortalDb> databases)
{
    public async Task<bool> RunAsync(Actor actor, Guid workspaceId, string node, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var workspace = await db.Workspaces.AsNoTracking().SingleOrDefaultAsync(w => w.Id == workspaceId && w.DeletedAt == null, cancel);
        return workspace is not null
            && Permissions.May(Verb.LookAtWorkspace, await db.RolesAsync(actor, workspace.TenantId, workspace.ClassId, workspace.PersonId, cancel))
            && await db.Nodes.AnyAsync(n => n.WorkspaceId == workspaceId && n.Name == node, cancel);
    }
}
