using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <param name="Wanted">What the new workers would use in addition; zero when shrinking.</param>
/// <param name="Levels">Tenant, class and member, with current reservations.</param>
/// <param name="BindingLimit">Why it would be refused now; null if it would be accepted.</param>
public sealed record ResizeReceipt(Amounts Wanted, IReadOnlyList<QuotaState> Levels, Refusal? BindingLimit);

/// <summary>Returns what <see cref="ResizeWorkspace"/> would return about quotas, without ordering anything. Reserves nothing.</summary>
public sealed class ResizePreview(IDbContextFactory<PortalDb> databases)
{
    /// <summary>Null if there is no such workspace that this person may resize.</summary>
    public async Task<ResizeReceipt?> RunAsync(Actor actor, Guid workspaceId, int workers, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var workspace = await db.Workspaces.AsNoTracking().SingleOrDefaultAsync(w => w.Id == workspaceId && w.DeletedAt == null, cancel);
        if (workspace is null
            || !Permissions.May(Verb.ResizeWorkspace, await db.RolesAsync(actor, workspace.TenantId, workspace.ClassId, workspace.PersonId, cancel)))
            return null;
        var version = await db.TemplateVersions.AsNoTracking().SingleAsync(t => t.Id == workspace.TemplateVersionId, cancel);
        var growth = await ResizeFacts.ReadAsync(db, workspace, version, workers, cancel);
        return workers > workspace.Workers
            ? new(growth.Facts.Wanted, growth.Facts.Levels, LaunchPolicy.Decide(growth.Facts))
            : new(Amounts.None, growth.Facts.Levels, null);
    }
}
