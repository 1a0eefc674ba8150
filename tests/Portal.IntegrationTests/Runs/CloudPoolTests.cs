using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Offers;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Runs;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Two tenants in two clouds: neither waits for the other, and each is told about its own.</summary>
public sealed class CloudPoolTests
{
    private static readonly Amounts One = new(1, 1024, 0, 0), Members = new(8, 8192, 10, 10);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Launch_OtherPoolIsFull_StartsAtOnceAndTheQueueSaysWhichCloud()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, Members, Cancel, capacity: One);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", One, Cancel, physicist);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        await LaunchAsync(site, site.Order(site.Students[0]));
        await jobs.UntilSettledAsync(Cancel);

        var waits = await LaunchAsync(site, site.Order(site.Students[1]));
        var starts = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });

        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(1);
        await using var db = database.Open();
        (await db.Runs.SingleAsync(r => r.WorkspaceId == waits.Id, Cancel)).Phase.ShouldBe(RunPhase.Queued);
        (await db.Runs.SingleAsync(r => r.WorkspaceId == starts.Id, Cancel)).Phase.ShouldBe(RunPhase.Waiting);
        (await db.CapacityClaims.SingleAsync(c => c.WorkspaceId == starts.Id, Cancel)).PoolKey.ShouldBe("physics");
        var queue = (await site.Get<WorkspaceFeed>().LookAsync(waits.Actor, waits.Id, Cancel))!.Queue!;
        (queue.Place, queue.WaitsFor, queue.Pool).ShouldBe((1, QueueWait.Capacity, "local"));
        // A second one there waits for the first, not for those here.
        var second = (await site.Get<LaunchPreview>().RunAsync(site.Order(physicist) with { ClassId = physics }, Cancel))!;
        (second.LaunchesBefore, second.WaitsFor, second.Pool).ShouldBe((0, QueueWait.Capacity, "physics"));
    }

    [Fact]
    public async Task Launch_OtherCloudHasNoLaunchLeft_StartsAtOnce()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, Members, Cancel, launchesAtOnce: 1);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", new(100, 100_000, 0, 0), Cancel, physicist);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        foreach (var student in site.Students) await LaunchAsync(site, site.Order(student));
        foreach (var _ in site.Students) await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });

        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(3, "one of two here, both there");

        await using var db = database.Open();
        var queued = await db.Runs.SingleAsync(r => r.Phase == RunPhase.Queued, Cancel);
        var owner = await db.Workspaces.Where(w => w.Id == queued.WorkspaceId).Select(w => w.PersonId).SingleAsync(Cancel);
        (await site.Get<WorkspaceFeed>().LookAsync(new(owner), queued.WorkspaceId, Cancel))!.Queue!.WaitsFor.ShouldBe(QueueWait.Launches);
    }

    [Fact]
    public async Task Launch_OtherCloudIsSickOrItsDiskFull_IsAccepted()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var (both, student) = (TestSite.NewId(), site.Students[0]);
        var physics = await site.OtherCloudAsync("physics", new(100, 100_000, 0, 0), Cancel, both);
        await database.ExecuteAsync($"""
            insert into portal.memberships (id, person_id, tenant_id, class_id, role)
            values ({TestSite.NewId()}, {both}, {site.Tenant}, {site.Class}, 'Student')
            """, Cancel);
        var there = site.Order(both) with { ClassId = physics };

        await database.ExecuteAsync($"update portal.pools set storage_free_bytes = 0 where key = 'physics'", Cancel);
        (await RefusedAsync(site, there)).Reason.ShouldBe(RefusalReason.DiskNearlyFull);
        await LaunchAsync(site, site.Order(student));

        await database.ExecuteAsync($"""
            update portal.pools set clusters_ok = false, clusters_message = 'Nova does not answer.', clusters_remedy = 'Ask its operator.'
            where key = 'physics'
            """, Cancel);
        var why = await RefusedAsync(site, there);
        (why.Reason, why.Detail).ShouldBe((RefusalReason.NotAvailable, "Nova does not answer. Ask its operator."));
        await LaunchAsync(site, site.Order(student));
        await LaunchAsync(site, site.Order(both));

        // Whoever has only the sick cloud sees it on every card, whoever has both only as trouble, whoever has the other not at all.
        await database.ExecuteAsync($"delete from portal.memberships where person_id = {site.Instructor}", Cancel);
        await database.ExecuteAsync($"""
            insert into portal.memberships (id, person_id, tenant_id, class_id, role)
            select {TestSite.NewId()}, {site.Instructor}, tenant_id, id, 'Instructor' from portal.classes where id = {physics}
            """, Cancel);
        var catalog = site.Get<CatalogFeed>();
        var mine = await catalog.ReadAsync(new(student), Cancel);
        (mine.Cards.Single().NotAvailable, mine.Troubles.Count(), mine.SeveralPools).ShouldBe((null, 0, true));
        var ofBoth = await catalog.ReadAsync(new(both), Cancel);
        (ofBoth.Cards.Single().NotAvailable, ofBoth.Troubles.Single().Pool.Title).ShouldBe((null, "physics"));
        (await catalog.ReadAsync(new(site.Instructor), Cancel)).Cards.Single().NotAvailable.ShouldBe("Nova does not answer. Ask its operator.");
    }

    /// <summary>Launches that wait for a retry count against the cloud's launches at once, but leave the other pools their share.</summary>
    [Fact]
    public async Task Launch_ASickPoolOfItsCloudHasAllLaunches_TakesItsOwnShare()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel, launchesAtOnce: 4);
        var physicist = TestSite.NewId();
        var physics = await site.OtherPoolAsync("physics", new(100, 100_000, 0, 0), Cancel, physicist);
        var there = new ScriptedClouds((_, _) => Mood.Well) { IsUnavailable = true };
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), [there.PoolKit("physics")], TimeSpan.FromSeconds(4));
        for (var i = 0; i < 5; i++) await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        await Task.WhenAll(await jobs.ClaimAsync(Cancel));
        await using var db = database.Open();
        (await db.Runs.CountAsync(r => r.Phase == RunPhase.Waiting && r.Attempts == 1, Cancel)).ShouldBe(4, "all that the cloud has");

        var preview = (await site.Get<LaunchPreview>().RunAsync(site.Order(site.Students[0]), Cancel))!;
        for (var i = 0; i < 3; i++) await LaunchAsync(site, site.Order(site.Students[0]));

        preview.WaitsFor.ShouldBeNull();
        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(2, "half of the cloud's four");
        (await db.CapacityClaims.CountAsync(c => c.PoolKey == LocalCloud.Key, Cancel)).ShouldBe(2);
        (await site.Get<LaunchPreview>().RunAsync(site.Order(site.Students[0]), Cancel))!.WaitsFor.ShouldBe(QueueWait.Launches);
    }

    /// <summary>Two projects in one cloud share its launches at once, and neither waits for the other's capacity.</summary>
    [Fact]
    public async Task Queues_OfTwoPoolsInOneCloud_CountTheirOwnAndTheLaunchesBefore()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, Members, Cancel, launchesAtOnce: 2);
        var physicist = TestSite.NewId();
        var physics = await site.OtherPoolAsync("physics", new(100, 100_000, 0, 0), Cancel, physicist);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        await LaunchAsync(site, site.Order(site.Students[0]));
        await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(2);

        var here = await LaunchAsync(site, site.Order(site.Students[1]));
        var accepted = (await site.Get<LaunchWorkspace>().RunAsync(site.Order(physicist) with { ClassId = physics }, Cancel))
            .ShouldBeOfType<LaunchOutcome.Accepted>();

        accepted.Place.ShouldBe(1, "the first of its own queue");
        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(0, "the cloud's launches are taken, and each has its share");
        var next = (await site.Get<LaunchPreview>().RunAsync(site.Order(physicist) with { ClassId = physics }, Cancel))!;
        (next.LaunchesBefore, next.WaitsFor).ShouldBe((1, QueueWait.Launches));
        await database.ExecuteAsync($"update portal.clouds set launches_at_once = 4", Cancel);
        await database.ExecuteAsync($"update portal.pools set capacity_vcpu = 1 where key = 'local'", Cancel);
        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(1, "its own pool is full, the other's is not");
        await using var db = database.Open();
        (await db.Runs.SingleAsync(r => r.WorkspaceId == here.Id, Cancel)).Phase.ShouldBe(RunPhase.Queued);
    }

    /// <summary>A node that gets a machine of its own takes the machine from the pool; quotas count what was asked for.</summary>
    [Fact]
    public async Task Claims_WhereNodesGetMachines_CountTheMachine()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, Members, Cancel, capacity: new(4, 8192, 0, 0));
        await using (var db = database.Open())
        {
            (await db.Pools.SingleAsync(Cancel)).Machines = new([new("m", 2, 4096), new("xl", 8, 16_384)], OverheadMib: 512);
            await db.SaveChangesAsync(Cancel);
        }
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        var (first, second) = (await LaunchAsync(site, site.Order(site.Students[0])), await LaunchAsync(site, site.Order(site.Students[1])));
        var third = await LaunchAsync(site, site.Order(site.Students[0]));

        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(2, "1 vCPU each, but in machines with 2 of 4");

        await using var rows = database.Open();
        (await rows.CapacityClaims.Select(c => new { c.WorkspaceId, c.Vcpu, c.MemoryMib }).ToListAsync(Cancel)).ShouldBe(
            [new { WorkspaceId = first.Id, Vcpu = 2, MemoryMib = 4096 }, new { WorkspaceId = second.Id, Vcpu = 2, MemoryMib = 4096 }], ignoreOrder: true);
        (await rows.Reservations.Where(r => r.WorkspaceId == first.Id).SumAsync(r => r.Vcpu, Cancel)).ShouldBe(1);
        (await site.Get<WorkspaceFeed>().LookAsync(third.Actor, third.Id, Cancel))!.Queue!.WaitsFor.ShouldBe(QueueWait.Capacity);
        var large = await RefusedAsync(site, site.Order(site.Students[0], size: "l"));
        (large.Reason, large.Fits).ShouldBe((RefusalReason.NeverPossible, new Fit("m", 0)), "4 vCPU need the machine with 8");
    }

    /// <summary>Each cloud has its own images, and its own name for them.</summary>
    [Fact]
    public async Task Images_OfOneCloud_SayNothingAboutAnother()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", new(100, 100_000, 0, 0), Cancel, physicist);
        var there = site.Order(physicist) with { ClassId = physics };
        await database.ExecuteAsync(
            $"update portal.images set state = 'Building', percent = 40, message = 'fetching', reference = 'server-7' where pool_key = 'physics'", Cancel);

        (await RefusedAsync(site, there)).Detail!.ShouldContain("being built (40%)");
        var catalog = site.Get<CatalogFeed>();
        (await catalog.ReadAsync(new(physicist), Cancel)).Cards.Single().Building.ShouldBe(40);
        var here = (await catalog.ReadAsync(new(site.Students[0]), Cancel)).Cards.Single();
        (here.NotAvailable, here.Building).ShouldBe((null, null));
        await LaunchAsync(site, site.Order(site.Students[0]));

        await database.ExecuteAsync($"update portal.images set state = 'Ready' where pool_key = 'physics'", Cancel);
        await LaunchAsync(site, there);
        var (local, other) = (new ScriptedClouds((_, _) => Mood.Well), new ScriptedClouds((_, _) => Mood.Well));
        await using var jobs = site.Process(local, [other.Kit("physics")], TimeSpan.FromSeconds(4));
        await jobs.UntilSettledAsync(Cancel);
        (local.Planned!.Nodes[0].Image, other.Planned!.Nodes[0].Image).ShouldBe(("sha256:test", "server-7"));
    }

    private static async Task<Refusal> RefusedAsync(TestSite site, LaunchRequest order) =>
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Refused>().Why;

    private static async Task<LaunchRequest> LaunchAsync(TestSite site, LaunchRequest order)
    {
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        return order;
    }
}
