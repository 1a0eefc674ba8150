using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Classes;
using Portal.Core.Clouds;
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
    private const int Launches = 50, Capacity = 10;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>As while Jobs is unavailable: a waiting person is shown no reason that is not true.</summary>
    [Fact]
    public async Task Launch_RoomForItAndNobodyAdmits_WaitsForItsTurnAlone()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(2, 2048, 1, 1), Cancel);
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        var queue = (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!.Queue!;
        (queue.Place, queue.WaitsFor, queue.ExpectedAt).ShouldBe((1, null, null));
    }

    [Fact]
    public async Task Launch_FiftyAtOnceWithRoomForTen_TenRunAndFortyQueueInOrder()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site =
            await TestSite.CreateAsync(database, Launches, new(2, 2048, 1, 1), Cancel, all: new(Launches, Launches * 1024, 100, Launches),
                capacity: new(Capacity, Capacity * 1024, 0, 0));
        var outcomes = await LaunchAsync(site);
        outcomes.ShouldAllBe(o => o is LaunchOutcome.Accepted);

        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        await using var db = database.Open();
        await Until.TrueAsync("ten are ready", async () =>
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            await NeverAboveAsync(database, capacity: new(Capacity, Capacity * 1024, 0, 0));
            return await db.Runs.CountAsync(r => r.Phase == RunPhase.Succeeded, Cancel) == Capacity;
        }, Cancel);
        var runs = await db.Runs.AsNoTracking().OrderBy(r => r.Id).ToListAsync(Cancel);
        runs.Take(Capacity).ShouldAllBe(r => r.Phase == RunPhase.Succeeded);
        runs.Skip(Capacity).ShouldAllBe(r => r.Phase == RunPhase.Queued);

        // Each place in the queue is shown, in the order of the orders.
        var feed = site.Get<WorkspaceFeed>();
        var places = new List<int>();
        foreach (var run in runs.Skip(Capacity))
        {
            var owner = await db.Workspaces.Where(w => w.Id == run.WorkspaceId).Select(w => w.PersonId).SingleAsync(Cancel);
            var queue = (await feed.LookAsync(new(owner), run.WorkspaceId, Cancel))!.Queue!;
            queue.WaitsFor.ShouldBe(QueueWait.Capacity);
            // The ends of those ten free capacity for the first ten of the queue; when those will end is not known yet.
            (queue.ExpectedAt, queue.LatestAt.HasValue).ShouldBe((null, queue.Place <= Capacity));
            places.Add(queue.Place);
        }
        places.ShouldBe(Enumerable.Range(1, Launches - Capacity));

        // A stop frees capacity for the first of the queue and no other.
        var first = runs[0];
        var stopper = await db.Workspaces.Where(w => w.Id == first.WorkspaceId).Select(w => w.PersonId).SingleAsync(Cancel);
        (await site.Get<StopWorkspace>().RunAsync(new(stopper), first.WorkspaceId, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await Until.TrueAsync("the eleventh is ready", async () =>
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            await NeverAboveAsync(database, capacity: new(Capacity, Capacity * 1024, 0, 0));
            return await db.Runs.AnyAsync(r => r.Id == runs[Capacity].Id && r.Phase == RunPhase.Succeeded, Cancel);
        }, Cancel);
        (await db.Runs.CountAsync(r => r.Phase == RunPhase.Queued, Cancel)).ShouldBe(Launches - Capacity - 1);
    }

    [Fact]
    public async Task Launch_FiftyAtOnceWithQuotaForThirty_TwentyAreRefusedWithTheBindingLimitAndWhatFits()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        // Thirty medium ones, and then capacity for one more small one.
        await using var site = await TestSite.CreateAsync(database, Launches, new(4, 4096, 1, 1), Cancel, all: new(61, 61 * 1024, 100, Launches + 1));
        var outcomes = await LaunchAsync(site, "m");
        outcomes.Count(o => o is LaunchOutcome.Accepted).ShouldBe(30);
        var refused = outcomes.OfType<LaunchOutcome.Refused>().Select(r => r.Why).ToList();
        refused.Count.ShouldBe(20);
        refused.ShouldAllBe(r =>
            r.Reason == RefusalReason.OverQuota
                && r.BindingLimit == QuotaLevel.Class
                && r.Resource == Resource.Vcpu
                && r.Field == "size"
                && r.Fits == new Fit("s", 0));
        await NeverAboveAsync(database, capacity: new(int.MaxValue, int.MaxValue, 0, 0));
        await using var db = database.Open();
        (await db.Workspaces.CountAsync(Cancel)).ShouldBe(30);
        (await db.Audit.CountAsync(a => a.Outcome == nameof(RefusalReason.OverQuota), Cancel)).ShouldBe(20);
    }

    /// <summary>The site has capacity for many, but no single machine for one this large.</summary>
    [Fact]
    public async Task Launch_NodeLargerThanAnyMachine_IsRefusedWithWhatFits()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(100, 100_000, 100, 100), Cancel);
        await using var db = database.Open();
        await db.Pools.ExecuteUpdateAsync(s => s.SetProperty(x => x.NodeVcpu, 1).SetProperty(x => x.NodeMemoryMib, 65_536), Cancel);

        var refused = (await LaunchAsync(site, "m"))[0].ShouldBeOfType<LaunchOutcome.Refused>().Why;

        (refused.Reason, refused.Field, refused.Resource, refused.Fits).ShouldBe((RefusalReason.NeverPossible, "size", Resource.Vcpu, new Fit("s", 0)));
    }

    /// <summary>Whichever resource of a level is scarcest decides how many are accepted, and the others get exactly that binding limit.</summary>
    [Theory]
    [InlineData(QuotaLevel.Tenant, Resource.Vcpu)]
    [InlineData(QuotaLevel.Tenant, Resource.Memory)]
    [InlineData(QuotaLevel.Tenant, Resource.Storage)]
    [InlineData(QuotaLevel.Tenant, Resource.Workspaces)]
    [InlineData(QuotaLevel.Class, Resource.Vcpu)]
    [InlineData(QuotaLevel.Class, Resource.Memory)]
    [InlineData(QuotaLevel.Class, Resource.Storage)]
    [InlineData(QuotaLevel.Class, Resource.Workspaces)]
    [InlineData(QuotaLevel.Member, Resource.Vcpu)]
    [InlineData(QuotaLevel.Member, Resource.Memory)]
    [InlineData(QuotaLevel.Member, Resource.Workspaces)]
    public async Task Launch_ManyAtOnce_NoLevelPromisesMoreOfAnythingThanItHas(QuotaLevel level, Resource resource)
    {
        const int people = 8, fits = 3;
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, people, new(100, 100_000, 100, 100), Cancel);
        var tight = resource switch
        {
            Resource.Vcpu => new Amounts(fits, 100_000, 100, 100),
            Resource.Memory => new(100, fits * 1024, 100, 100),
            Resource.Storage => new(100, 100_000, fits, 100),
            _ => new(100, 100_000, 100, fits),
        };
        await using (var db = database.Open())
        {
            if (level == QuotaLevel.Tenant) (await db.Tenants.SingleAsync(Cancel)).Limits = tight;
            else if (level == QuotaLevel.Class) (await db.Classes.SingleAsync(Cancel)).Limits = tight;
            else (await db.Classes.SingleAsync(Cancel)).MemberLimits = tight;
            await db.SaveChangesAsync(Cancel);
        }

        // A member's limit is reached by that member's own launches, the other limits by everyone's.
        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, people).Select(n =>
                Task.Run(() => site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[level == QuotaLevel.Member ? 0 : n]), Cancel))));

        outcomes.Count(o => o is LaunchOutcome.Accepted).ShouldBe(fits);
        outcomes.OfType<LaunchOutcome.Refused>().ShouldAllBe(r =>
            r.Why.Reason == RefusalReason.OverQuota && r.Why.BindingLimit == level && r.Why.Resource == resource);
        await NeverAboveAsync(database, capacity: new(int.MaxValue, int.MaxValue, 0, 0));
    }

    private static Task<LaunchOutcome[]> LaunchAsync(TestSite site, string size = "s") =>
        Task.WhenAll(site.Students.Select(s => Task.Run(() => site.Get<LaunchWorkspace>().RunAsync(site.Order(s, size: size), Cancel))));

    /// <summary>Of every resource: what is reserved for tenant, class and each member, and what runs
    /// on the site. Summed here, not by the product's reader.</summary>
    private static async Task NeverAboveAsync(TestDatabase database, Amounts capacity)
    {
        await using var db = database.Open();
        await using var still = await db.Database.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, Cancel); // rows of one moment
        var tenants = await db.Tenants.ToDictionaryAsync(t => t.Id, t => t.Limits, Cancel);
        var classes = await db.Classes.ToDictionaryAsync(c => c.Id, Cancel);
        var open = await db.Reservations.AsNoTracking().Where(r => r.EndedAt == null).ToListAsync(Cancel);
        foreach (var tenant in open.GroupBy(r => r.TenantId)) Sum(tenant).FirstAbove(tenants[tenant.Key]).ShouldBeNull("tenant");
        foreach (var @class in open.GroupBy(r => r.ClassId)) Sum(@class).FirstAbove(classes[@class.Key].Limits).ShouldBeNull("class");
        foreach (var member in open.GroupBy(r => (r.ClassId, r.PersonId)))
            Sum(member).FirstAbove(classes[member.Key.ClassId].MemberLimits).ShouldBeNull("member");
        var claims = await db.CapacityClaims.AsNoTracking().Where(c => c.EndedAt == null).ToListAsync(Cancel);
        claims.Aggregate(Amounts.None, (sum, c) => sum + new Amounts(c.Vcpu, c.MemoryMib, 0, 0)).FirstAbove(capacity).ShouldBeNull("site");

        static Amounts Sum(IEnumerable<Reservation> of) =>
            of.Aggregate(Amounts.None, (sum, r) => sum + new Amounts(r.Vcpu, r.MemoryMib, r.StorageGib, r.Workspaces));
    }
}
