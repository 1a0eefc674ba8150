using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Offers;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Sweeps;
using Portal.Jobs.Clouds;
using Portal.Jobs.Restarts;
using Portal.Jobs.Runs;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>
/// Two clouds, or two pools of one cloud, in one process of Jobs: each is asked only about its own workspaces, and neither waits for the other.
/// </summary>
public sealed class CloudKitsTests
{
    private static readonly Amounts Members = new(8, 8192, 10, 10), Much = new(1000, 1_000_000, 0, 0);
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(4);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Lifecycle_InTwoPools_TouchesOnlyItsOwn(bool oneCloud)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await PhysicsAsync(site, oneCloud, physicist);
        var (here, there) = (Well(), Well());
        await using var jobs = site.Process(here, [KitOf(there, oneCloud)], Lease);

        var mine = await LaunchAsync(site, site.Order(site.Students[0]));
        var other = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        await jobs.UntilSettledAsync(Cancel);

        (here.NodesOf(mine).Count, here.LeftOf(other)).ShouldBe((1, ""));
        (there.NodesOf(other).Count, there.LeftOf(mine)).ShouldBe((1, ""));
        await using (var db = database.Open())
            (await db.Workspaces.SingleAsync(w => w.Id == other, Cancel)).Subnet!.ShouldStartWith("10.211.", customMessage: "its pool's range");
        await site.Get<DeleteWorkspace>().RunAsync(new(physicist), other, Cancel);
        await jobs.UntilSettledAsync(Cancel);
        (here.NodesOf(mine).Count, there.LeftOf(other)).ShouldBe((1, ""));
        here.Broken.Concat(there.Broken).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Broken_OneOfTwoPools_LeavesLaunchesHealthSweepsAndTemplatesOfTheOtherAlone(bool oneCloud)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await PhysicsAsync(site, oneCloud, physicist);
        var (here, there) = (Well(), Well());
        await using var jobs = site.Process(here, [KitOf(there, oneCloud)], Lease);
        var waits = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        there.IsUnavailable = true;
        var orphan = TestSite.NewId();
        await OrphanTests.LeaveAsync(here, site, orphan);

        var mine = await LaunchAsync(site, site.Order(site.Students[0]));
        await Until.TrueAsync("the launch here is ready", async () =>
        {
            await jobs.ClaimAsync(Cancel);
            return (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), mine, Cancel))!.Status is WorkspaceStatus.Ready;
        }, Cancel);
        (await jobs.Get<CloudHealth>().LookAsync(Cancel)).ShouldBeFalse();
        await jobs.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);

        here.LeftOf(orphan).ShouldBeEmpty();
        await using (var db = database.Open())
        {
            var pools = await db.Pools.AsNoTracking().ToDictionaryAsync(p => p.Key, Cancel);
            (pools["local"].Clusters.Ok, pools["local"].Storage.Ok).ShouldBe((true, true));
            (pools["physics"].Clusters.Ok, pools["physics"].Storage.Ok).ShouldBe((false, false));
            (await db.Clouds.CountAsync(Cancel)).ShouldBe(oneCloud ? 1 : 2);
            (await db.Runs.SingleAsync(r => r.WorkspaceId == waits, Cancel)).Phase.IsFinished().ShouldBeFalse();
        }
        var (catalog, ofPhysics) = (site.Get<CatalogFeed>(), new Actor(physicist));
        var offered = await catalog.ReadAsync(new(site.Students[0]), Cancel);
        (offered.Cards.Single().NotAvailable, offered.Troubles.Count()).ShouldBe((null, 0));
        (await catalog.ReadAsync(ofPhysics, Cancel)).Cards.Single().NotAvailable!.ShouldContain("away");
        (await site.Get<LaunchPreview>().RunAsync(site.Order(physicist) with { ClassId = physics }, Cancel))!.BindingLimit!.Reason
            .ShouldBe(RefusalReason.NotAvailable);

        there.IsUnavailable = false;
        await jobs.UntilSettledAsync(Cancel);
        (there.NodesOf(waits).Count, here.LeftOf(waits)).ShouldBe((1, ""), "it went on once its pool answered");
    }

    /// <summary>The cloud's limit is the same whichever of its pools was looked at last, and the launches of both count.</summary>
    [Fact]
    public async Task LaunchesAtOnce_TwoPoolsOfOneCloud_AreOneLimitThatStays()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await PhysicsAsync(site, oneCloud: true, physicist);
        var (here, there) = (Well(), Well());
        (here.Vcpus, there.Vcpus) = (1, 2);
        await using var jobs = site.Process(here, [KitOf(there, oneCloud: true)], Lease);
        var (health, kits) = (jobs.Get<CloudHealth>(), jobs.Get<CloudKits>());

        (await health.LookAsync(kits.Of("physics"), Cancel)).ShouldBeTrue();
        (await LimitAsync()).ShouldBe(4, "two for each core");
        (await health.LookAsync(kits.Of("local"), Cancel)).ShouldBeTrue();
        (await LimitAsync()).ShouldBe(4);
        there.IsUnavailable = true;
        (await health.LookAsync(Cancel)).ShouldBeFalse();
        (await LimitAsync()).ShouldBe(4);
        there.IsUnavailable = false;
        (await health.LookAsync(Cancel)).ShouldBeTrue();

        for (var i = 0; i < 2; i++)
        {
            await LaunchAsync(site, site.Order(site.Students[0]));
            await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        }
        await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        (await jobs.Get<Admission>().RunAsync(Cancel)).ShouldBe(4, "both pools together");
        await using (var db = database.Open())
            (await db.CapacityClaims.GroupBy(c => c.PoolKey).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, Cancel))
                .ShouldBe(new Dictionary<string, int>(StringComparer.Ordinal) { ["local"] = 2, ["physics"] = 2 }, ignoreOrder: true);
        await jobs.UntilSettledAsync(Cancel);
        here.Broken.Concat(there.Broken).ShouldBeEmpty();

        async Task<int> LimitAsync()
        {
            await using var db = database.Open();
            return (await db.Clouds.AsNoTracking().SingleAsync(Cancel)).LaunchesAtOnce;
        }
    }

    /// <summary>What such a pool saw stays in its row, because its workspaces do.</summary>
    [Fact]
    public async Task LaunchesAtOnce_APoolThatIsNoLongerConfigured_AddsNothing()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        await PhysicsAsync(site, oneCloud: true, TestSite.NewId());
        await database.ExecuteAsync($"update portal.pools set node_vcpu = 64 where key = 'physics'", Cancel);
        var here = Well();
        here.Vcpus = 2;
        await using var jobs = site.Process(here, Lease);

        (await jobs.Get<CloudHealth>().LookAsync(Cancel)).ShouldBeTrue();

        await using var db = database.Open();
        (await db.Clouds.AsNoTracking().SingleAsync(Cancel)).LaunchesAtOnce.ShouldBe(4, "two for each core of this host");
        (await db.Pools.AsNoTracking().SingleAsync(p => p.Key == "physics", Cancel)).NodeVcpu.ShouldBe(64);
    }

    /// <summary>Each has its own figures, and what is promised in one takes nothing from the other.</summary>
    [Fact]
    public async Task Storage_OfTwoPoolsOfOneCloud_IsCountedForEach()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, Members, Cancel);
        var (physicist, other) = (TestSite.NewId(), TestSite.NewId());
        var physics = await PhysicsAsync(site, oneCloud: true, physicist, other);
        var (here, there) = (Well(), Well());
        (here.FreeBytes, there.FreeBytes) = (4L << 30, 3L << 30); // 2 GiB of each are the reserve
        (here.Folders, there.Folders) = ([new(site.Class, null, 5 << 20, 1L << 30)], [new(physics, null, 7 << 20, 1L << 30)]);
        await using var jobs = site.Process(here, [KitOf(there, oneCloud: true)], Lease);
        await jobs.Get<CloudKits>().EachAsync(kit => jobs.Get<Jobs.Sweeps.Usage>().RunAsync(kit, Cancel));
        await using (var db = database.Open())
            (await db.Pools.Select(p => new { p.Key, p.StorageFreeBytes, p.StorageWrittenBytes }).ToListAsync(Cancel)).ShouldBe(
                [new { Key = "local", StorageFreeBytes = 4L << 30, StorageWrittenBytes = 5L << 20 },
                    new { Key = "physics", StorageFreeBytes = 3L << 30, StorageWrittenBytes = 7L << 20 }], ignoreOrder: true);

        foreach (var student in site.Students) await LaunchAsync(site, site.Order(student));
        await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });

        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(other) with { ClassId = physics }, Cancel)).ShouldBeOfType<LaunchOutcome.Refused>().Why
            .Reason.ShouldBe(RefusalReason.DiskNearlyFull);
        await jobs.UntilSettledAsync(Cancel);
        await using var rows = database.Open();
        (await rows.Runs.Select(r => r.Phase).ToListAsync(Cancel)).ShouldAllBe(p => p == RunPhase.Succeeded);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Launch_InAPoolThatThisProcessDoesNotKnow_WaitsAndSaysSo(bool oneCloud)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await PhysicsAsync(site, oneCloud, physicist);
        var there = Well();
        await using (var jobs = site.Process(Well(), Lease))
        {
            var id = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            var run = (await site.Get<WorkspaceFeed>().LookAsync(new(physicist), id, Cancel))!.Run;
            (run.Phase, run.Message).ShouldBe((RunPhase.Waiting,
                "physics: the background worker does not know this pool. Configure it for the background worker, and restart the background worker."));
        }

        await using var restarted = site.Process(Well(), [KitOf(there, oneCloud)], Lease);
        await restarted.UntilSettledAsync(Cancel);
        (await site.Get<WorkspaceFeed>().LookHomeAsync(new(physicist), Cancel))!.Workspaces.Single().Status.ShouldBe(WorkspaceStatus.Ready);
    }

    /// <summary>The same project under another key would be a second pool with the same machines.</summary>
    [Fact]
    public async Task Pool_ConfiguredUnderAnotherKey_IsRefusedNamingTheOldOne()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        await using var jobs = site.Process(Well(), Lease);
        var renamed = Well().PoolKit("renamed") with { Credential = null };

        (await Should.ThrowAsync<InvalidOperationException>(() => jobs.Get<CloudHealth>().LookAsync(renamed, Cancel))).Message
            .ShouldBe("""
                The pool "renamed" of the cloud "local" has the credential of the pool "local", which tenants may name: configure it as "local".
                """);
    }

    /// <summary>Its first pass over a pool sees nothing of the workspaces in the other.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Watch_OfOnePool_LeavesTheNodesOfTheOtherAlone(bool oneCloud)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await PhysicsAsync(site, oneCloud, physicist);
        var (here, there) = (Well(), Well());
        await using var jobs = site.Process(here, [KitOf(there, oneCloud)], Lease);
        var mine = await LaunchAsync(site, site.Order(site.Students[0]));
        var other = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        await jobs.UntilSettledAsync(Cancel);

        using var watch = jobs.Loop<NodeWatch>();
        await watch.StartAsync(Cancel);
        here.Kill(mine, "notebook");
        there.IsUnavailable = true;
        here.Events.Writer.TryWrite(new(ClusterHappening.LookAgain)).ShouldBeTrue();

        await using var db = database.Open();
        await Until.TrueAsync("the death here is seen", () => db.Nodes.AnyAsync(n => n.WorkspaceId == mine && !n.Running, Cancel), Cancel);
        (await db.Nodes.AsNoTracking().SingleAsync(n => n.WorkspaceId == other, Cancel)).Running.ShouldBeTrue();
        await watch.StopAsync(Cancel);
    }

    /// <summary>A call to one pool that does not end holds up no restart in the other.</summary>
    [Fact]
    public async Task Restarts_InAPoolThatHangs_LeaveThoseOfTheOtherAlone()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        await site.PublishAsync(TestSite.Cluster, Cancel);
        var physicist = TestSite.NewId();
        var physics = await PhysicsAsync(site, oneCloud: true, physicist);
        var (hangs, hung) = (false, new TaskCompletionSource());
        var (here, there) = (Well(), new ScriptedClouds((what, _) =>
        {
            if (!hangs || what != "ensure") return Mood.Well;
            hung.TrySetResult();
            return Mood.CallerDiesDone;
        }));
        await using var jobs = site.Process(here, [KitOf(there, oneCloud: true)], Lease);
        var mine = await LaunchAsync(site, site.Order(site.Students[0]) with { TemplateId = "cluster", Workers = 1 });
        var other = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics, TemplateId = "cluster", Workers = 1 });
        await jobs.UntilSettledAsync(Cancel);
        hangs = true;

        var restarts = jobs.Get<WorkerRestarts>();
        await restarts.StartAsync(Cancel);
        await KillAsync(there, other);
        await hung.Task.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System, Cancel);
        await KillAsync(here, mine);

        await Until.TrueAsync("the worker here runs again", () => Task.FromResult(here.NodesOf(mine).Count(n => n.State is NodeState.Running) == 2), Cancel);
        there.Bury();
        await restarts.StopAsync(Cancel);

        async Task KillAsync(ScriptedClouds clouds, Guid id)
        {
            clouds.Kill(id, "worker0");
            await jobs.Get<NodeRows>().SeeAsync(id, await clouds.LookAsync(id, Cancel), Cancel);
        }
    }

    /// <summary>A tenant in a cloud of its own, or in a second project of the local cloud.</summary>
    private static Task<Guid> PhysicsAsync(TestSite site, bool oneCloud, params Guid[] students) =>
        oneCloud ? site.OtherPoolAsync("physics", Much, Cancel, students) : site.OtherCloudAsync("physics", Much, Cancel, students);

    private static CloudKit KitOf(ScriptedClouds clouds, bool oneCloud) => oneCloud ? clouds.PoolKit("physics") : clouds.Kit("physics");

    private static ScriptedClouds Well() => new((_, _) => Mood.Well);

    private static async Task<Guid> LaunchAsync(TestSite site, LaunchRequest order)
    {
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        return order.Id;
    }
}
