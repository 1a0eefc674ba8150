using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Workspaces;

/// <summary>The classes that a person belongs to, with their current quotas.</summary>
public static class MyClasses
{
    public static async Task<ImmutableArray<ClassView>> ReadAsync(PortalDb db, Guid person, CancellationToken cancel)
    {
        var rows = await (from c in db.Classes
                          join t in db.Tenants on c.TenantId equals t.Id
                          where db.Set<Membership>().Any(m => m.PersonId == person && m.ClassId == c.Id)
                          orderby c.Title
                          select new { Class = c, Tenant = t }).AsNoTracking().ToListAsync(cancel);
        var memberships = await db.Memberships.AsNoTracking().Where(m => m.PersonId == person).ToListAsync(cancel);
        var views = ImmutableArray.CreateBuilder<ClassView>();
        foreach (var (@class, tenant) in rows.Select(r => (r.Class, r.Tenant)))
        {
            views.Add(new(@class.Id, @class.Title, tenant.Name, @class.LongestHours, @class.WorkFolderGib, await db.QuotasAsync(tenant, @class, person, cancel))
            {
                IdleMinutes = @class.IdleMinutes,
                MaySetIdleRule = Permissions.May(Verb.SetIdleRule, Permissions.RolesOf(person, memberships, tenant.Id, @class.Id, owner: null)),
            });
        }
        return views.ToImmutable();
    }
}
