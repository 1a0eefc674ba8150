using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <summary>Needs and limits of additional workers: only what is not held yet counts.</summary>
/// <param name="Missing">What the new nodes need reserved.</param>
internal sealed record Growth(LaunchFacts Facts, IReadOnlyList<Reservation> Missing);

/// <summary>Reads the facts of a growing workspace. The verb does so under the quota locks, the dialog without.</summary>
internal static class ResizeFacts
{
    public static async Task<Growth> ReadAsync(PortalDb db, Workspace workspace, TemplateVersion version, int workers, CancellationToken cancel)
    {
        var spec = version.Spec;
        var held = await db.Reservations.AsNoTracking().Where(r => r.WorkspaceId == workspace.Id && r.EndedAt == null).ToListAsync(cancel);
        List<Reservation> Missing(int count) =>
            [.. spec.Nodes(workspace.SizeId, count)
                .SelectMany(n => NodeReservations.Of(workspace, n))
                .Where(r => !held.Exists(h => h.Kind == r.Kind && h.Node == r.Node))];
        var missing = Missing(workers);
        var requested = Sum(missing);
        var @class = await db.Classes.AsNoTracking().SingleAsync(c => c.Id == workspace.ClassId, cancel);
        var tenant = await db.Tenants.AsNoTracking().SingleAsync(t => t.Id == workspace.TenantId, cancel);
        var place = await db.PlacementAsync(tenant.Id, cancel);
        var claims = await db.CapacityClaims.Where(c => c.WorkspaceId == workspace.Id && c.EndedAt == null).ToListAsync(cancel);
        var own = claims.Aggregate(Amounts.None, (sum, c) => sum + new Amounts(c.Vcpu, c.MemoryMib, 0, 0));
        var facts = new LaunchFacts(
            MayLaunch: true, TemplateOffered: true, SizeKnown: true, WorkersKnown: spec.Allows(workers), NameFree: true, Parameter: null,
            NotAvailable: await Availability.ReasonAsync(db, place.Pool, version, cancel), Hours: 1, LongestHours: 1,
            Wanted: requested, Levels: await db.QuotasAsync(tenant, @class, workspace.PersonId, cancel),
            // It keeps what it has, so the pool must have capacity for both.
            Capacity: place.Pool.KnownCapacity is { } all ? all - own : null,
            StorageLeftGib: requested.StorageGib == 0 ? null : await db.StorageLeftGibAsync(place.Pool, cancel),
            Others: [.. Fewer(workspace.Workers, workers).Select(Other)])
        {
            Nodes = spec.NodeLimits(workspace.SizeId, workers),
            Missing = NodeReservations.Limits(missing),
            Machines = place.Pool.Machines,
            LargestNode = place.Pool.LargestNode,
            Own = await OwnWorkspaces.ReadAsync(db, workspace.PersonId, tenant.Id, @class.Id, workspace.Id, cancel),
        };
        return new(facts, missing);

        OtherChoice Other(int count)
        {
            var more = Missing(count);
            return new(new(workspace.SizeId, count), Sum(more))
            {
                Nodes = spec.NodeLimits(workspace.SizeId, count),
                Missing = NodeReservations.Limits(more),
            };
        }
    }

    /// <summary>Numbers between the current and the requested one, the nearest to the requested one first.</summary>
    private static IEnumerable<int> Fewer(int present, int requested) => Enumerable.Range(present + 1, Math.Max(0, requested - present - 1)).Reverse();

    private static Amounts Sum(IEnumerable<Reservation> reservations) => reservations.Where(r => r.Kind is ReservationKind.Compute or ReservationKind.Scratch)
        .Aggregate(Amounts.None, (sum, r) => sum + new Amounts(r.Vcpu, r.MemoryMib, r.StorageGib, 0));
}
