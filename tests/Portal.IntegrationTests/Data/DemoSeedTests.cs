using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.People;
using Portal.Jobs;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit;

namespace Portal.IntegrationTests.Data;

/// <summary>Who and what <c>Portal.Jobs --seed-demo</c> adds to a new database, and to one that has it already.</summary>
public sealed class DemoSeedTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Seed_WithoutPools_HasOneTenantOnThisHost()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);

        for (var times = 0; times < 2; times++) await SeedAsync(database, new());

        await using var db = database.Open();
        (await db.Tenants.Select(t => t.PoolKey).ToListAsync(Cancel)).ShouldBe([LocalCloud.Key]);
        (await db.Pools.Select(p => p.Key).ToListAsync(Cancel)).ShouldBe([LocalCloud.Key]);
        (await db.Classes.CountAsync(Cancel)).ShouldBe(1);
        (await PeopleAsync(db, null)).ShouldBe(["Ada Lovelace", "Alan Turing", "Barbara Liskov", "Edsger Dijkstra", "Grace Hopper", "Ken Thompson",
            "Margaret Hamilton"]);
    }

    [Fact]
    public async Task Seed_WithPools_EachHasATenantAndPeopleOfItsOwn()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        var clouds = Clouds(("informatics", "Informatics", ""), ("mathematics", "Mathematics", "maths-2026"));

        for (var times = 0; times < 2; times++) await SeedAsync(database, clouds);

        await using var db = database.Open();
        (await db.Clouds.Select(c => new { c.Key, c.Kind, c.Title }).ToListAsync(Cancel)).ShouldHaveSingleItem()
            .ShouldBe(new { Key = "openstack", Kind = "openstack", Title = "OpenStack" });
        (await db.Pools.OrderBy(p => p.Key).Select(p => new { p.Key, p.CloudKey, p.Credential, p.Title }).ToListAsync(Cancel)).ShouldBe([
            new { Key = "informatics", CloudKey = "openstack", Credential = (string?)"informatics", Title = "Informatics" },
            new { Key = "mathematics", CloudKey = "openstack", Credential = (string?)"maths-2026", Title = "Mathematics" },
        ]);
        (await db.Tenants.OrderBy(t => t.Slug).Select(t => new { t.Slug, t.Name, t.PoolKey }).ToListAsync(Cancel)).ShouldBe([
            new { Slug = "informatics", Name = "Informatics", PoolKey = "informatics" },
            new { Slug = "mathematics", Name = "Mathematics", PoolKey = "mathematics" },
        ]);
        (await PeopleAsync(db, "informatics")).ShouldBe(["Ada Lovelace", "Alan Turing", "Barbara Liskov", "Edsger Dijkstra", "Grace Hopper",
            "Margaret Hamilton"]);
        (await PeopleAsync(db, "mathematics")).ShouldBe(["David Hilbert", "Emmy Noether", "Julia Robinson", "Mary Cartwright", "Sophie Germain",
            "Srinivasa Ramanujan"]);
        var roles = await (from m in db.Memberships join t in db.Tenants on m.TenantId equals t.Id where t.Slug == "mathematics" select m).ToListAsync(Cancel);
        roles.Select(m => m.Role).Distinct().ShouldBe(
            [MemberRole.Student, MemberRole.Assistant, MemberRole.Instructor, MemberRole.TenantAdmin], ignoreOrder: true);
        roles.ShouldAllBe(m => m.ClassId == null == (m.Role == MemberRole.TenantAdmin));
        (await db.Memberships.CountAsync(m => m.Role == MemberRole.Operator && m.TenantId == null, Cancel)).ShouldBe(1);
    }

    /// <summary>The first start did not get past the first tenant, or the site configured more pools since.</summary>
    [Fact]
    public async Task Seed_PoolsAddedLater_AddsTheirTenantsAndLeavesTheOthers()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await SeedAsync(database, Clouds(("informatics", "Informatics", "")));
        await database.ExecuteAsync($"update portal.tenants set name = 'Computing'", Cancel);

        await SeedAsync(database, Clouds(("physics", "", ""), ("informatics", "Informatics", ""), ("biology", "Biology", ""), ("law", "Law", "")));

        await using var db = database.Open();
        (await db.Tenants.Select(t => t.Name).ToListAsync(Cancel)).ShouldBe(["Computing", "physics", "Biology", "Law"], ignoreOrder: true);
        (await PeopleAsync(db, "informatics")).ShouldContain("Ada Lovelace");
        (await PeopleAsync(db, "physics")).ShouldContain("Emmy Noether");
        (await PeopleAsync(db, "law")).ShouldBe(["Law: a student", "Law: a tenant admin", "Law: an assistant", "Law: an instructor"]);
        (await PeopleAsync(db, "biology")).Count.ShouldBe(4);
    }

    private static OpenStackOptions Clouds(params (string Key, string Title, string Credential)[] pools)
    {
        var clouds = new OpenStackOptions();
        foreach (var (key, title, credential) in pools) clouds.Pools.Add(new() { Key = key, Title = title, Credential = credential });
        return clouds;
    }

    private static async Task SeedAsync(TestDatabase database, OpenStackOptions clouds)
    {
        await using var db = database.Open();
        await DemoSeed.RunAsync(db, clouds, TimeProvider.System, Cancel);
    }

    /// <param name="tenant">Slug; null for everyone.</param>
    private static async Task<List<string>> PeopleAsync(Core.Data.PortalDb db, string? tenant)
    {
        var names = await (from p in db.Persons
                           join m in db.Memberships on p.Id equals m.PersonId
                           join t in db.Tenants on m.TenantId equals t.Id into ts
                           from t in ts.DefaultIfEmpty()
                           where tenant == null || t.Slug == tenant
                           select p.Name).ToListAsync(Cancel);
        return [.. names.Order(StringComparer.Ordinal)];
    }
}
