using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <summary>Needs and limits of a launch, as the rows say now; the launch preview and the verb read them the same way.</summary>
/// <param name="Workers">The number requested, or the template's default.</param>
public sealed record LaunchContext(LaunchFacts Facts, Tenant Tenant, Class Class, TemplateVersion? Version, WorkFolder? Folder, int Workers,
    Placement Place);

/// <summary>Reads the facts of a launch. The verb does so under the quota locks, the preview without.</summary>
internal static class LaunchFactsReader
{
    public static async Task<LaunchContext?> ReadAsync(PortalDb db, LaunchRequest request, DateTimeOffset now, CancellationToken cancel)
    {
        var @class = await db.Classes.AsNoTracking().SingleOrDefaultAsync(c => c.Id == request.ClassId, cancel);
        if (@class is null) return null;
        var tenant = await db.Tenants.AsNoTracking().SingleAsync(t => t.Id == @class.TenantId, cancel);
        var version = await db.TemplateVersions.AsNoTracking().SingleOrDefaultAsync(t => t.TemplateId == request.TemplateId && !t.Retired, cancel);
        var folder = await db.WorkFolders.AsNoTracking().SingleOrDefaultAsync(f => f.ClassId == @class.Id && f.PersonId == request.Actor.PersonId, cancel);
        var roles = await db.RolesAsync(request.Actor, tenant.Id, @class.Id, owner: null, cancel);
        var taken = await db.Workspaces.AnyAsync(w =>
            w.PersonId == request.Actor.PersonId && w.Name == request.Name && w.DeletedAt == null && w.Id != request.Id, cancel);
        var workers = request.Workers ?? version?.Spec.DefaultWorkers() ?? 0;
        var (deprecated, classes) = await OfferReader.ReadAsync(db, request.TemplateId, cancel);
        var beside = new Amounts(0, 0, folder is null ? @class.WorkFolderGib : 0, 1);
        var place = await db.PlacementAsync(tenant.Id, cancel);
        var facts = new LaunchFacts(
            MayLaunch: Permissions.May(Verb.LaunchWorkspace, roles),
            TemplateOffered: version is not null,
            SizeKnown: version?.Spec.Size(request.SizeId) is not null,
            WorkersKnown: version?.Spec.Allows(workers) == true,
            NameFree: !taken,
            Parameter: version is null ? null : ParameterPolicy.Fault(version.Spec, request.Parameters),
            NotAvailable: await Availability.ReasonAsync(db, place.Pool, version, cancel),
            Hours: (request.RunFor ?? request.EndAt - now).TotalHours,
            LongestHours: @class.LongestHours,
            Wanted: version is null ? Amounts.None : version.Spec.Amounts(request.SizeId, workers) + beside,
            Levels: await db.QuotasAsync(tenant, @class, request.Actor.PersonId, cancel),
            Capacity: place.Pool.KnownCapacity,
            StorageLeftGib: await db.StorageLeftGibAsync(place.Pool, cancel),
            Others: version is null ? [] : OtherChoices.Of(version.Spec, new(request.SizeId, workers), beside))
        {
            Deprecated = deprecated,
            ForThisClass = classes.Count == 0 || classes.Contains(@class.Id),
            Nodes = version?.Spec.NodeLimits(request.SizeId, workers) ?? [],
            Machines = place.Pool.Machines,
            LargestNode = place.Pool.LargestNode,
            Own = await OwnWorkspaces.ReadAsync(db, request.Actor.PersonId, tenant.Id, @class.Id, request.Id, cancel),
        };
        return new(facts, tenant, @class, version, folder, workers, place);
    }
}
