using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;

namespace Portal.Core.Access;

/// <param name="Place">Title of the class or name of the tenant in which the role applies; null for the whole site.</param>
public sealed record DemoRole(MemberRole Role, string? Place);

/// <summary>A demo person, as the sign-in page lists them.</summary>
public sealed record DemoPerson(Guid Id, string Name, ImmutableArray<DemoRole> Roles);

/// <summary>People without an identity provider: they exist only where the demo was seeded.</summary>
public sealed class DemoPeople(IDbContextFactory<PortalDb> databases)
{
    public const string Issuer = "demo";
    private const int Most = 50;

    /// <summary>Students first.</summary>
    public async Task<ImmutableArray<DemoPerson>> ListAsync(CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var people = await db.Persons.AsNoTracking().Where(p => p.Issuer == Issuer).OrderBy(p => p.Name).Take(Most).ToListAsync(cancel);
        var ids = people.ConvertAll(p => p.Id);
        var roles = await (from m in db.Memberships
                           where ids.Contains(m.PersonId)
                           join c in db.Classes on m.ClassId equals c.Id into cs
                           from c in cs.DefaultIfEmpty()
                           join t in db.Tenants on m.TenantId equals t.Id into ts
                           from t in ts.DefaultIfEmpty()
                           select new { m.PersonId, m.Role, Class = c == null ? null : c.Title, Tenant = t == null ? null : t.Name })
            .AsNoTracking()
            .ToListAsync(cancel);
        var of = roles.ToLookup(r => r.PersonId, r => new DemoRole(r.Role, r.Class ?? r.Tenant));
        return [.. people.Select(p => new DemoPerson(p.Id, p.Name, [.. of[p.Id].OrderBy(r => r.Role)]))
            .OrderBy(p => p.Roles.Length == 0 ? MemberRole.Student : p.Roles[0].Role)
            .ThenBy(p => p.Name, StringComparer.Ordinal)];
    }

    public async Task<bool> IsAsync(Guid person, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Persons.AnyAsync(p => p.Id == person && p.Issuer == Issuer, cancel);
    }
}
