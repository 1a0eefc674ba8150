using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>What goes wrong around a launch reaches its owner as a reason and a remedy, and leaves nothing behind.</summary>
public sealed class BadInputTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(3, false, "its last words", "the log")]
    [InlineData(137, true, "out of memory", "larger size")]
    public async Task Launch_NodeDiesWhileItStarts_FailsWithItsLastWordsAndTheRemedy(int code, bool memory, string cause, string remedy)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well) { Dies = _ => (code, memory) };
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var id = await LaunchAsync(site);

        await jobs.UntilSettledAsync(Cancel);

        var view = await FailedAsync(site, clouds, id, StepKey.ProveNotebook, cause, remedy);
        if (!memory) view.Run.Cause!.ShouldContain("exit code 3");
        view.Log.ShouldContain(l => l.Severity == LogLineSeverity.Fail && l.Text.Contains(cause));
        // The remedy works: once it no longer dies, the same workspace starts.
        clouds.Dies = _ => null;
        (await site.Get<StartWorkspace>().RunAsync(new(site.Students[0]), id, null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        (await LookAsync(site, id)).Run.Phase.ShouldBe(RunPhase.Succeeded);
    }

    [Theory]
    [InlineData(ImageState.Building)]
    [InlineData(ImageState.Missing)]
    public async Task Launch_ImageGoneSinceTheOrder_FailsBeforeAnythingIsMade(ImageState state)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var made = 0;
        var clouds = new ScriptedClouds((_, _) => { Interlocked.Increment(ref made); return Mood.Well; });
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var id = await LaunchAsync(site);
        await database.ExecuteAsync($"update portal.images set state = {state.ToString()}", Cancel);

        await jobs.UntilSettledAsync(Cancel);

        await FailedAsync(site, clouds, id, StepKey.CheckOrder, "python", "ready");
        await using var db = database.Open();
        (await db.Workspaces.SingleAsync(Cancel)).Generation.ShouldBe(0);
        // In the meantime no one can order another.
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Refused>().Why.Reason.ShouldBe(
            RefusalReason.NotAvailable);
    }

    [Fact]
    public async Task Launch_DiskNearlyFull_IsRefusedByTheVerbWithoutAnyOrder()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        // The order needs a work folder of 1 GiB in addition to the reserve.
        await database.ExecuteAsync($"update portal.pools set storage_free_bytes = storage_reserve_bytes + {(1L << 30) - 1}", Cancel);

        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Refused>().Why.Reason.ShouldBe(
            RefusalReason.DiskNearlyFull);

        await using var db = database.Open();
        (await db.Runs.AnyAsync(Cancel)).ShouldBeFalse();
        (await db.Reservations.AnyAsync(Cancel)).ShouldBeFalse();
        await database.ExecuteAsync($"update portal.pools set storage_free_bytes = storage_reserve_bytes + {1L << 30}", Cancel);
        await LaunchAsync(site);
    }

    [Fact]
    public async Task Launch_SiteNotMeasuredYet_IsAcceptedAndNothingReadsAsFull()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await database.ExecuteAsync($"update portal.pools set storage_total_bytes = 0, storage_free_bytes = 0", Cancel);
        await database.ExecuteAsync($"update portal.pools set capacity_vcpu = 0, capacity_memory_mib = 0", Cancel);
        var order = site.Order(site.Students[0]);

        (await site.Get<LaunchPreview>().RunAsync(order, Cancel))!.BindingLimit.ShouldBeNull();
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        // Jobs measures, then begins.
        var clouds = new ScriptedClouds((_, _) => Mood.Well) { FreeBytes = 18L << 30 };
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        await jobs.Get<Jobs.Watch.CloudHealth>().LookAsync(Cancel);
        await jobs.UntilSettledAsync(Cancel);
        (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!.Status.ShouldBe(WorkspaceStatus.Ready);
    }

    [Fact]
    public async Task Health_FirstMeasuring_KnowsWhatIsWrittenTogetherWithTheRoom()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel);
        // 17 of 20 GiB are reserved and nearly all of it is written: there is space for one more folder.
        await LaunchAsync(site);
        await database.ExecuteAsync($"update portal.reservations set storage_gib = 17 where storage_gib > 0", Cancel);
        await database.ExecuteAsync($"update portal.pools set storage_total_bytes = 0, storage_free_bytes = 0", Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well) { FreeBytes = 4L << 30, Folders = [new(site.Class, null, 16L << 30, 20L << 30)] };
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));

        await jobs.Get<Jobs.Watch.CloudHealth>().LookAsync(Cancel);

        (await site.Get<LaunchPreview>().RunAsync(site.Order(site.Students[1]), Cancel))!.BindingLimit.ShouldBeNull();
        await using var db = database.Open();
        (await db.Pools.SingleAsync(Cancel)).StorageWrittenBytes.ShouldBe(16L << 30);
    }

    [Fact]
    public async Task Launch_DiskFillsUpAfterTheOrder_FailsBeforeAnythingIsMade()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well) { FreeBytes = (1L << 31) - 1 };
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var id = await LaunchAsync(site);

        await jobs.UntilSettledAsync(Cancel);

        await FailedAsync(site, clouds, id, StepKey.CheckOrder, "disk is nearly full", "operator");
        await using var db = database.Open();
        (await db.Workspaces.SingleAsync(Cancel)).Generation.ShouldBe(0);
    }

    [Fact]
    public async Task Launch_EngineGoesAndComesBack_WaitsWithTheReasonAndIsReady()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        // The cloud becomes unavailable in the middle: the work folder is made, the cluster is not.
        var unavailable = true;
        var clouds = new ScriptedClouds((what, _) => unavailable && what == "ensure" ? Mood.Unavailable : Mood.Well);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var id = await LaunchAsync(site);
        await Until.TrueAsync("it waits for the engine", async () =>
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            return (await LookAsync(site, id)).Run.Message is not null;
        }, Cancel);

        var waiting = await LookAsync(site, id);
        waiting.Status.ShouldBe(WorkspaceStatus.Starting);
        waiting.Run.Phase.ShouldBe(RunPhase.Waiting);
        waiting.Run.Message!.ShouldContain("away");
        waiting.Run.Message!.ShouldContain("Wait.");
        unavailable = false;
        await jobs.UntilSettledAsync(Cancel);

        var ready = await LookAsync(site, id);
        ready.Run.Phase.ShouldBe(RunPhase.Succeeded);
        ready.Run.Message.ShouldBeNull();
        clouds.Runs(id).ShouldBeTrue();
    }

    [Theory]
    [InlineData(Mood.Well)]
    [InlineData(Mood.DeniesSlowly)]
    public async Task Launch_AnotherInstallationTookTheAddresses_TakesOthersAndIsReady(Mood denying)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        // Two installations on one container engine choose from the same pool: the first three blocks were free when they checked.
        var taken = new HashSet<string>(StringComparer.Ordinal);
        var clouds = new ScriptedClouds((what, _) => what == "deny" ? denying : Mood.Well);
        clouds.Foreign = block => taken.Count < 3 ? taken.Add(block) || true : taken.Contains(block);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var id = await LaunchAsync(site);

        await jobs.UntilSettledAsync(Cancel, TimeSpan.FromMinutes(1));

        (await LookAsync(site, id)).Run.Phase.ShouldBe(RunPhase.Succeeded);
        taken.Count.ShouldBe(3);
        await using var db = database.Open();
        var held = await db.Subnets.Where(s => s.ReleasedAt == null).SingleAsync(Cancel);
        taken.ShouldNotContain(held.Block);
        (await db.Workspaces.SingleAsync(Cancel)).Subnet.ShouldBe(held.Block);
        (await db.Workspaces.SingleAsync(Cancel)).Generation.ShouldBe(1);
        clouds.Broken.ShouldBeEmpty();
    }

    private static async Task<Guid> LaunchAsync(TestSite site)
    {
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        return order.Id;
    }

    private static async Task<WorkspaceView> LookAsync(TestSite site, Guid id) =>
        (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), id, Cancel))!;

    /// <summary>What its owner sees: failed, at which step, why, and the remedy; and nothing is held.</summary>
    private static async Task<WorkspaceView> FailedAsync(TestSite site, ScriptedClouds clouds, Guid id, StepKey step, string cause, string remedy)
    {
        var view = await LookAsync(site, id);
        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.FailedStep.ShouldBe(step);
        view.Run.Cause!.ShouldContain(cause);
        view.Run.Remedy!.ShouldContain(remedy);
        clouds.LeftOf(id).ShouldBeEmpty();
        clouds.Broken.ShouldBeEmpty();
        await using var db = site.Database.Open();
        (await db.CapacityClaims.AnyAsync(c => c.EndedAt == null, Cancel)).ShouldBeFalse();
        (await db.Subnets.AnyAsync(s => s.ReleasedAt == null, Cancel)).ShouldBeFalse();
        (await db.Reservations.AnyAsync(r => r.EndedAt == null && r.Kind == Core.Quotas.ReservationKind.Compute, Cancel)).ShouldBeFalse();
        return view;
    }
}
