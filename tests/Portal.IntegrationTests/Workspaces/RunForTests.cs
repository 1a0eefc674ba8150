using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Leases;
using Portal.Jobs.Runs;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Workspaces;

/// <summary>A workspace that is to run for some hours has them from when it is ready, however long it waited before.</summary>
public sealed class RunForTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(10), Near = TimeSpan.FromMinutes(1);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    [Fact]
    public async Task RunFor_LaunchThatWaitsInTheQueuePastIt_CountsFromReady()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel, capacity: new(1, 1024, 0, 0));
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), Lease);
        var first = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(first, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        var waits = site.Order(site.Students[1]) with { RunFor = TimeSpan.FromHours(2) };
        (await site.Get<LaunchWorkspace>().RunAsync(waits, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        // As if it had been ordered three hours ago.
        await database.ExecuteAsync($"update portal.workspaces set end_at = clock_timestamp() - interval '1 hour' where id = {waits.Id}", Cancel);

        await jobs.Get<EndTimes>().RunAsync(Cancel);
        await Task.WhenAll(await jobs.ClaimAsync(Cancel));
        var queued = await LookAsync(site, waits);
        (queued.Status, queued.RequestedRun, queued.RunFor).ShouldBe((WorkspaceStatus.Queued, null, TimeSpan.FromHours(2)));

        (await site.Get<StopWorkspace>().RunAsync(first.Actor, first.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        await jobs.Get<EndTimes>().RunAsync(Cancel);
        var ready = await LookAsync(site, waits);
        (ready.Status, ready.RunFor).ShouldBe((WorkspaceStatus.Ready, null));
        ready.EndAt.ShouldBe(ready.Run.EndedAt!.Value.AddHours(2), TimeSpan.FromSeconds(10));
        ready.Log.ShouldContain(l => l.Text == $"Runs until {ready.EndAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC.");
    }

    /// <summary>Whatever a row says, the class's rule limits it.</summary>
    [Fact]
    public async Task RunFor_LongerThanTheClassAllows_IsRefusedAndARowThatSaysSoIsCut()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), Lease);
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order with { RunFor = TimeSpan.FromHours(13) }, Cancel))
            .ShouldBeOfType<LaunchOutcome.Refused>().Why.Reason.ShouldBe(Core.Policy.RefusalReason.EndTooLate);
        (await site.Get<LaunchWorkspace>().RunAsync(order with { RunFor = TimeSpan.FromHours(1) }, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await database.ExecuteAsync($"update portal.workspaces set run_for = interval '100 hours'", Cancel);

        await jobs.UntilSettledAsync(Cancel);

        (await LookAsync(site, order)).EndAt.ShouldBe(Now.AddHours(12), Near);
    }

    [Fact]
    public async Task Start_NoEndNamed_HasWhatWasLeftFromWhenItIsReady()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), Lease);
        var order = site.Order(site.Students[0]) with { RunFor = TimeSpan.FromHours(3) };
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        (await site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);

        (await site.Get<StartWorkspace>().RunAsync(order.Actor, order.Id, null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        (await LookAsync(site, order)).RunFor!.Value.ShouldBe(TimeSpan.FromHours(3), Near);
        await jobs.UntilSettledAsync(Cancel);

        var ready = await LookAsync(site, order);
        (ready.Status, ready.RunFor).ShouldBe((WorkspaceStatus.Ready, null));
        ready.EndAt.ShouldBe(Now.AddHours(3), Near);
    }

    /// <summary>An explicit end time applies.</summary>
    [Fact]
    public async Task Extend_WhileItComesUp_NamesTheEndForGood()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), Lease);
        var order = site.Order(site.Students[0]) with { RunFor = TimeSpan.FromHours(2) };
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        var named = Now.AddHours(5);
        (await site.Get<ExtendWorkspace>().RunAsync(order.Actor, order.Id, named, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();

        await jobs.UntilSettledAsync(Cancel);

        (await LookAsync(site, order)).EndAt.ShouldBe(named, TimeSpan.FromMilliseconds(1));
    }

    /// <summary>A process that lost its lease sets no end time.</summary>
    [Fact]
    public async Task End_ByAStaleProcess_LeavesTheTimeAlone()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), Lease);
        var order = site.Order(site.Students[0]) with { RunFor = TimeSpan.FromHours(2) };
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.Get<Admission>().RunAsync(Cancel);
        var (handed, _) = await jobs.Get<RunStore>().HandOverAsync(Cancel);
        var held = (await jobs.Get<RunStore>().TakeAsync(handed.ShouldHaveSingleItem().Id, Cancel))!;
        await database.ExecuteAsync($"update portal.runs set version = version + 1", Cancel);

        await Should.ThrowAsync<LeaseLostException>(() => jobs.Get<RunStore>().EndAsync(held, RunTrigger.Succeed, Cancel));

        (await LookAsync(site, order)).RunFor.ShouldBe(TimeSpan.FromHours(2));
    }

    private static async Task<WorkspaceView> LookAsync(TestSite site, LaunchRequest order) =>
        (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!;
}
