using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <summary>The workspaces that a person already has running: one of them may have to stop for another to fit.</summary>
internal static class OwnWorkspaces
{
    private const int Most = 100;

    /// <param name="except">The workspace to make room for.</param>
    public static async Task<ImmutableArray<OwnWorkspace>> ReadAsync(PortalDb db, Guid person, Guid tenant, Guid @class, Guid except, CancellationToken cancel)
    {
        var held = await (from r in db.Reservations
                          where r.PersonId == person && r.TenantId == tenant && r.WorkspaceId != except
                          where r.Kind == ReservationKind.Compute && r.EndedAt == null
                          join w in db.Workspaces on r.WorkspaceId equals w.Id
                          group r by new { w.Id, w.Name, w.ClassId } into one
                          orderby one.Key.Name
                          select new { one.Key.Name, one.Key.ClassId, Vcpu = one.Sum(r => r.Vcpu), Memory = one.Sum(r => r.MemoryMib) })
            .Take(Most).ToListAsync(cancel);
        return [.. held.Select(h => new OwnWorkspace(h.Name, new(h.Vcpu, h.Memory, 0, 0), h.ClassId == @class))];
    }
}
