using Microsoft.EntityFrameworkCore;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>A lesson begins: fifty launches at the same moment.</summary>
public sealed class AdmissionTests
{
    private const int Launches = 50, Room = 10;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Launch_FiftyAtOnceWithRoomForTen_TenRunAndFortyQueueInOrder()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, Launches, new(2, 2048, 1, 1), Cancel, all: new(Launches, Launches * 1024, 100, Launches), capacity: new(Room, Room * 1024, 0, 0));
        var outcomes = await LaunchAsync(site);
        outcomes.ShouldAllBe(o => o is LaunchOutcome.Accepted);

        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        await using var db = database.Open();
        await Until.TrueAsync("ten are ready", async () =>
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            await NeverAboveAsync(database, capacity: Room);
            return await db.Runs.CountAsync(r => r.Phase == RunPhase.Succeeded, Cancel) == Room;
        }, Cancel);
        var runs = await db.Runs.AsNoTracking().OrderBy(r => r.Id).ToListAsync(Cancel);
        runs.Take(Room).ShouldAllBe(r => r.Phase == RunPhase.Succeeded);
        runs.Skip(Room).ShouldAllBe(r => r.Phase == RunPhase.Queued);

        // Each place in the queue is told, in the order of the orders.
        var feed = site.Get<WorkspaceFeed>();
        var places = new List<int>();
        foreach (var run in runs.Skip(Room))
        {
            var owner = await db.Workspaces.Where(w => w.Id == run.WorkspaceId).Select(w => w.PersonId).SingleAsync(Cancel);
            var queue = (await feed.LookAsync(new(owner), run.WorkspaceId, Cancel))!.Queue!;
            queue.WaitsFor.ShouldBe(QueueWait.Capacity);
            queue.ExpectedAt.HasValue.ShouldBe(queue.Place <= Room);
            places.Add(queue.Place);
        }
        places.ShouldBe(Enumerable.Range(1, Launches - Room));

        // Who stops makes room for the first of the queue, and for nobody else.
        var first = runs[0];
        var stopper = await db.Workspaces.Where(w => w.Id == first.WorkspaceId).Select(w => w.PersonId).SingleAsync(Cancel);
        (await site.Get<StopWorkspace>().RunAsync(new(stopper), first.WorkspaceId, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await Until.TrueAsync("the eleventh is ready", async () =>
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            await NeverAboveAsync(database, capacity: Room);
            return await db.Runs.AnyAsync(r => r.Id == runs[Room].Id && r.Phase == RunPhase.Succeeded, Cancel);
        }, Cancel);
        (await db.Runs.CountAsync(r => r.Phase == RunPhase.Queued, Cancel)).ShouldBe(Launches - Room - 1);
    }

    [Fact]
    public async Task Launch_FiftyAtOnceWithQuotaForThirty_TwentyAreRefusedWithTheWallAndWhatFits()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        // Thirty medium ones, and then room for one small one more.
        await using var site = await TestSite.CreateAsync(database, Launches, new(4, 4096, 1, 1), Cancel, all: new(61, 61 * 1024, 100, Launches + 1));
        var outcomes = await LaunchAsync(site, "m");
        outcomes.Count(o => o is LaunchOutcome.Accepted).ShouldBe(30);
        var refused = outcomes.OfType<LaunchOutcome.Refused>().Select(r => r.Why).ToList();
        refused.Count.ShouldBe(20);
        refused.ShouldAllBe(r => r.Reason == RefusalReason.OverQuota && r.Wall == QuotaLevel.Class && r.Resource == Resource.Vcpu && r.Field == "size" && r.Fits == new Fit("s", 0));
        await NeverAboveAsync(database, capacity: int.MaxValue);
        await using var db = database.Open();
        (await db.Workspaces.CountAsync(Cancel)).ShouldBe(30);
        (await db.Audit.CountAsync(a => a.Outcome == nameof(RefusalReason.OverQuota), Cancel)).ShouldBe(20);
    }

    private static Task<LaunchOutcome[]> LaunchAsync(TestSite site, string size = "s") =>
        Task.WhenAll(site.Students.Select(s => Task.Run(() => site.Get<LaunchWorkspace>().RunAsync(site.Order(s, size: size), Cancel))));

    private static async Task NeverAboveAsync(TestDatabase database, int capacity)
    {
        await using var db = database.Open();
        var limit = await db.Classes.Select(c => c.Limits).SingleAsync(Cancel);
        (await db.Reservations.Where(r => r.EndedAt == null).SumAsync(r => r.Vcpu, Cancel)).ShouldBeLessThanOrEqualTo(limit.Vcpu);
        (await db.CapacityClaims.Where(c => c.EndedAt == null).SumAsync(c => c.Vcpu, Cancel)).ShouldBeLessThanOrEqualTo(capacity);
    }
}
