using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <summary>The classes that somebody belongs to, with their quotas as they stand.</summary>
public static class MyClasses
{
    public static async Task<ImmutableArray<ClassView>> ReadAsync(PortalDb db, Guid person, CancellationToken cancel)
    {
        var rows = await (from c in db.Classes
                          join t in db.Tenants on c.TenantId equals t.Id
                          where db.Memberships.Any(m => m.PersonId == person && m.ClassId == c.Id)
                          orderby c.Title
                          select new { Class = c, Tenant = t }).AsNoTracking().ToListAsync(cancel);
        var views = ImmutableArray.CreateBuilder<ClassView>();
        foreach (var row in rows) views.Add(new(row.Class.Id, row.Class.Title, row.Tenant.Name, row.Class.LongestHours, row.Class.WorkFolderGib, await db.QuotasAsync(row.Tenant, row.Class, person, cancel)));
        return views.ToImmutable();
    }
}
