using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Sweeps;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Two clouds in one process of Jobs: each is asked only about its own workspaces, and neither waits for the other.</summary>
public sealed class CloudKitsTests
{
    private static readonly Amounts Members = new(8, 8192, 10, 10), Much = new(1000, 1_000_000, 0, 0);
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(4);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lifecycle_InTwoClouds_TouchesOnlyItsOwn()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", Much, Cancel, physicist);
        var (here, there) = (Well(), Well());
        await using var jobs = site.Process(here, [there.Kit("physics")], Lease);

        var mine = await LaunchAsync(site, site.Order(site.Students[0]));
        var other = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
        await jobs.UntilSettledAsync(Cancel);

        (here.NodesOf(mine).Count, here.LeftOf(other)).ShouldBe((1, ""));
        (there.NodesOf(other).Count, there.LeftOf(mine)).ShouldBe((1, ""));
        await using (var db = database.Open())
            (await db.Workspaces.SingleAsync(w => w.Id == other, Cancel)).Subnet!.ShouldStartWith("10.211.", customMessage: "its cloud's range");
        await site.Get<DeleteWorkspace>().RunAsync(new(physicist), other, Cancel);
        await jobs.UntilSettledAsync(Cancel);
        (here.NodesOf(mine).Count, there.LeftOf(other)).ShouldBe((1, ""));
        here.Broken.Concat(there.Broken).ShouldBeEmpty();
    }

    [Fact]
    public async Task Broken_OneOfTwoClouds_LeavesLaunchesHealthAndSweepsOfTheOtherAlone()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", Much, Cancel, physicist);
        var (here, there) = (Well(), Well());
        await using var jobs = site.Process(here, [there.Kit("physics")], Lease);
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
            var clouds = await db.Clouds.AsNoTracking().ToDictionaryAsync(c => c.Key, Cancel);
            (clouds["local"].Clusters.Ok, clouds["local"].Storage.Ok).ShouldBe((true, true));
            (clouds["physics"].Clusters.Ok, clouds["physics"].Storage.Ok).ShouldBe((false, false));
            (await db.Runs.SingleAsync(r => r.WorkspaceId == waits, Cancel)).Phase.IsFinished().ShouldBeFalse();
        }

        there.IsUnavailable = false;
        await jobs.UntilSettledAsync(Cancel);
        there.NodesOf(waits).Count.ShouldBe(1, "it went on once its cloud answered");
    }

    [Fact]
    public async Task Launch_InACloudThatThisProcessDoesNotKnow_WaitsAndSaysSo()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", Much, Cancel, physicist);
        var there = Well();
        await using (var jobs = site.Process(Well(), Lease))
        {
            var id = await LaunchAsync(site, site.Order(physicist) with { ClassId = physics });
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            var run = (await site.Get<WorkspaceFeed>().LookAsync(new(physicist), id, Cancel))!.Run;
            (run.Phase, run.Message).ShouldBe((RunPhase.Waiting,
                "physics: the background worker does not know this cloud. Configure it for the background worker, and restart the background worker."));
        }

        await using var restarted = site.Process(Well(), [there.Kit("physics")], Lease);
        await restarted.UntilSettledAsync(Cancel);
        (await site.Get<WorkspaceFeed>().LookHomeAsync(new(physicist), Cancel))!.Workspaces.Single().Status.ShouldBe(WorkspaceStatus.Ready);
    }

    /// <summary>Its first pass over a cloud sees nothing of the workspaces in the other.</summary>
    [Fact]
    public async Task Watch_OfOneCloud_LeavesTheNodesOfTheOtherAlone()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", Much, Cancel, physicist);
        var (here, there) = (Well(), Well());
        await using var jobs = site.Process(here, [there.Kit("physics")], Lease);
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

    private static ScriptedClouds Well() => new((_, _) => Mood.Well);

    private static async Task<Guid> LaunchAsync(TestSite site, LaunchRequest order)
    {
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        return order.Id;
    }
}
