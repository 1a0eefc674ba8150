using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Jobs;

/// <summary>
/// The demo: a tenant with a class and its people for each pool on OpenStack, or a single one on this host, and an operator. Idempotent: a tenant that
/// exists is left as it is. Run as portal_migrator, because no other role may write people.
/// </summary>
internal static class DemoSeed
{
    private const string Issuer = "demo";

    /// <param name="clouds">The pools are those of an OpenStack; if there are none, the portal runs on this host.</param>
    public static async Task RunAsync(PortalDb db, OpenStackOptions clouds, TimeProvider clock, CancellationToken cancel)
    {
        Guid New() => Guid.CreateVersion7(clock.GetUtcNow());
        if (clouds.Pools.Count == 0)
        {
            await LocalCloud.AddAsync(db, cancel);
            await AddTenantAsync(db, "informatics", "Informatics", LocalCloud.Key, New, cancel);
        }
        else
        {
            await AddPoolsAsync(db, clouds, cancel);
            foreach (var pool in clouds.Pools) await AddTenantAsync(db, pool.Key, pool.Name, pool.Key, New, cancel);
        }
        var (subject, name) = DemoCast.Operator;
        if (!await db.Persons.AnyAsync(p => p.Issuer == Issuer && p.Subject == subject, cancel))
            AddPerson(db, New, new(subject, name, MemberRole.Operator), null, null);
        await db.SaveChangesAsync(cancel);
    }

    /// <summary>Adds the missing rows, so that tenants can name them before Jobs has looked for the first time.</summary>
    private static async Task AddPoolsAsync(PortalDb db, OpenStackOptions clouds, CancellationToken cancel)
    {
        if (!await db.Clouds.AnyAsync(c => c.Key == clouds.Key, cancel))
            db.Clouds.Add(new() { Key = clouds.Key, Kind = OpenStackOptions.Kind, Title = clouds.Title });
        foreach (var pool in clouds.Pools)
        {
            if (await db.Pools.AnyAsync(p => p.Key == pool.Key, cancel)) continue;
            db.Pools.Add(new() { Key = pool.Key, CloudKey = clouds.Key, Credential = pool.CredentialKey, Title = pool.Name });
        }
    }

    private static async Task AddTenantAsync(PortalDb db, string slug, string name, string pool, Func<Guid> newId, CancellationToken cancel)
    {
        if (await db.Tenants.AnyAsync(t => t.Slug == slug, cancel)) return;
        var cast = await FreeCastAsync(db, slug, name, cancel);
        var (tenant, @class) = (newId(), newId());
        db.Tenants.Add(new() { Id = tenant, Slug = slug, Name = name, PoolKey = pool, Limits = new(64, 96 * 1024, 400, 200) });
        db.Classes.Add(new()
        {
            Id = @class,
            TenantId = tenant,
            Slug = cast.ClassSlug,
            Title = cast.ClassTitle,
            Limits = new(48, 72 * 1024, 200, 100),
            MemberLimits = new(8, 12 * 1024, 16, 4),
            WorkFolderGib = 2,
            LongestHours = 12,
        });
        foreach (var person in cast.People) AddPerson(db, newId, person, tenant, person.Role == MemberRole.TenantAdmin ? null : @class);
        await db.SaveChangesAsync(cancel); // the next tenant must not be given the same people
    }

    /// <summary>The first cast of which nobody is there yet; tenants beyond those have people with names made from the tenant's.</summary>
    private static async Task<DemoCast> FreeCastAsync(PortalDb db, string slug, string name, CancellationToken cancel)
    {
        foreach (var cast in DemoCast.All)
        {
            var subjects = cast.People.Select(p => p.Subject).ToList();
            if (!await db.Persons.AnyAsync(p => p.Issuer == Issuer && subjects.Contains(p.Subject), cancel)) return cast;
        }
        return DemoCast.Of(slug, name);
    }

    private static void AddPerson(PortalDb db, Func<Guid> newId, CastMember who, Guid? tenant, Guid? @class)
    {
        var id = newId();
        db.Persons.Add(new() { Id = id, Issuer = Issuer, Subject = who.Subject, Name = who.Name });
        db.Memberships.Add(new() { Id = newId(), PersonId = id, Role = who.Role, TenantId = tenant, ClassId = @class });
    }
}
