using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <summary>What a launch would need and meet, as rows say now; the receipt and the verb read it alike.</summary>
public sealed record LaunchSituation(LaunchFacts Facts, Tenant Tenant, Class Class, TemplateVersion? Version, WorkFolder? Folder);

/// <summary>Reads the facts of a launch. The verb reads them under the quota's locks, the receipt without.</summary>
internal static class LaunchFactsReader
{
    public static async Task<LaunchSituation?> ReadAsync(PortalDb db, LaunchRequest request, DateTimeOffset now, CancellationToken cancel)
    {
        var @class = await db.Classes.AsNoTracking().SingleOrDefaultAsync(c => c.Id == request.ClassId, cancel);
        if (@class is null) return null;
        var tenant = await db.Tenants.AsNoTracking().SingleAsync(t => t.Id == @class.TenantId, cancel);
        var version = await db.TemplateVersions.AsNoTracking().SingleOrDefaultAsync(t => t.TemplateId == request.TemplateId && !t.Retired, cancel);
        var folder = await db.WorkFolders.AsNoTracking().SingleOrDefaultAsync(f => f.ClassId == @class.Id && f.PersonId == request.Actor.PersonId, cancel);
        var standing = await db.StandingAsync(request.Actor, tenant.Id, @class.Id, owner: null, cancel);
        var taken = await db.Workspaces.AnyAsync(w => w.PersonId == request.Actor.PersonId && w.Name == request.Name && w.DeletedAt == null && w.Id != request.Id, cancel);
        var site = await db.Site.AsNoTracking().SingleOrDefaultAsync(cancel);
        var size = version?.Spec.Size(request.SizeId);
        Amounts Wants(SizeSpec s) => version!.Spec.Amounts(s) + new Amounts(0, 0, folder is null ? @class.WorkFolderGib : 0, 1);
        var facts = new LaunchFacts(
            MayLaunch: Permissions.May(Verb.LaunchWorkspace, standing),
            TemplateOffered: version is not null,
            SizeKnown: size is not null,
            NameFree: !taken,
            NotAvailable: await Availability.ReasonAsync(db, version, cancel),
            DiskHasRoom: site is null || site.StorageFreeBytes >= site.StorageReserveBytes,
            Hours: (request.EndAt - now).TotalHours,
            LongestHours: @class.LongestHours,
            Wanted: size is null ? Amounts.None : Wants(size),
            Levels: await db.QuotasAsync(tenant, @class, request.Actor.PersonId, cancel),
            Capacity: site is null ? null : new Amounts(site.CapacityVcpu, site.CapacityMemoryMib, 0, 0),
            OtherSizes: version is null ? [] : [.. version.Spec.Sizes.Where(s => s.Id != request.SizeId).OrderByDescending(s => s.Vcpu).ThenByDescending(s => s.MemoryMib).Select(s => (s.Id, Wants(s)))]);
        return new(facts, tenant, @class, version, folder);
    }
}
