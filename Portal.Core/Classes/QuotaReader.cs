using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Classes;

/// <summary>Reads what is reserved at each level. For a decision, call it under <see cref="Locks.LockQuotaAsync"/>.</summary>
public static class QuotaReader
{
    /// <summary>Tenant, class and member, in this order.</summary>
    public static async Task<ImmutableArray<QuotaState>> QuotasAsync(this PortalDb db, Tenant tenant, Class @class, Guid person, CancellationToken cancel)
    {
        var open = db.Reservations.AsNoTracking().Where(r => r.EndedAt == null);
        var ofTenant = await SumAsync(open.Where(r => r.TenantId == tenant.Id), cancel);
        var ofClass = await SumAsync(open.Where(r => r.ClassId == @class.Id), cancel);
        var ofMember = await SumAsync(open.Where(r => r.ClassId == @class.Id && r.PersonId == person), cancel);
        return
        [
            new(QuotaLevel.Tenant, tenant.Name, tenant.Limits, ofTenant),
            new(QuotaLevel.Class, @class.Title, @class.Limits, ofClass),
            new(QuotaLevel.Member, "", @class.MemberLimits, ofMember),
        ];
    }

    private static async Task<Amounts> SumAsync(IQueryable<Reservation> rows, CancellationToken cancel)
    {
        var sum = await rows.GroupBy(_ => 1)
            .Select(g => new
            {
                Vcpu = g.Sum(r => r.Vcpu),
                Memory = g.Sum(r => r.MemoryMib),
                Storage = g.Sum(r => r.StorageGib),
                Workspaces = g.Sum(r => r.Workspaces)
            })
            .FirstOrDefaultAsync(cancel);
        return sum is null ? Amounts.None : new(sum.Vcpu, sum.Memory, sum.Storage, sum.Workspaces);
    }
}
