using Microsoft.EntityFrameworkCore;
using Portal.Core.Operations;
using Portal.Core.People;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Unfinished runs that meet a version of the portal whose plan has other steps than the one that began them.</summary>
public sealed class OtherVersionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>The older version had no step that gives access: it went from the folders to the cluster.</summary>
    [Fact]
    public async Task Launch_TheNewPlanHasOneMoreStepNext_TakesItAndGoesOn()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var order = await BegunAsync(site, "allow", out var clouds, out var work);
        await using (var jobs = site.Process(clouds, TimeSpan.FromSeconds(10)))
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            await database.ExecuteAsync($"update portal.run_steps set key = 'EnsureCluster' where key = 'EnsureAccess'", Cancel);
            work();
            await jobs.UntilSettledAsync(Cancel);
        }

        clouds.Broken.ShouldBeEmpty();
        clouds.Runs(order.Id).ShouldBeTrue();
        await using var db = database.Open();
        (await db.RunSteps.Where(s => s.EndedAt != null).Select(s => s.Key).ToListAsync(Cancel))
            .ShouldBe(PlanSteps.Of(RunKind.Launch, releasing: false), ignoreOrder: true);
        (await db.Workspaces.SingleAsync(w => w.Id == order.Id, Cancel)).Generation.ShouldBe(1, "it went on and did not begin again");
    }

    /// <summary>The older version had a step more where this one continues: nothing is repeated, nothing left out.</summary>
    [Theory]
    [InlineData(StepKey.EnsureWorkFolder, "allow")]
    [InlineData(StepKey.EnsureAccess, "ensure")]
    public async Task Launch_AnEarlierStepIsGone_GoesOnWhereItWas(StepKey done, string stopsAt)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var order = await BegunAsync(site, stopsAt, out var clouds, out var work);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(10));
        await Task.WhenAll(await jobs.ClaimAsync(Cancel));
        await using (var db = database.Open()) (await db.Runs.SingleAsync(Cancel)).DoneStep.ShouldBe(done);
        await database.ExecuteAsync($"""
            insert into portal.run_steps (run_id, key, began_at, ended_at) select id, 'ReserveNames', created_at, clock_timestamp() from portal.runs
            """, Cancel);
        work();
        await jobs.UntilSettledAsync(Cancel);

        clouds.Runs(order.Id).ShouldBeTrue();
        await using (var db = database.Open()) (await db.Workspaces.SingleAsync(w => w.Id == order.Id, Cancel)).Generation.ShouldBe(1);
    }

    /// <summary>What the row names as done is in no plan of this version, so nothing tells how far it came.</summary>
    [Theory]
    [InlineData(RunKind.Launch)]
    [InlineData(RunKind.Stop)]
    [InlineData(RunKind.Delete)]
    public async Task Run_DoneStepIsUnknown_IsShownAndBeginsAgain(RunKind kind)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var order = await BegunAsync(site, kind switch { RunKind.Launch => "ensure", _ => "deny" }, out var clouds, out var work);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(10));
        if (kind is not RunKind.Launch)
        {
            await jobs.UntilSettledAsync(Cancel);
            _ = kind is RunKind.Stop
                ? await site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)
                : await site.Get<DeleteWorkspace>().RunAsync(order.Actor, order.Id, Cancel);
        }
        await Until.TrueAsync("it waits at the fault", async () =>
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            await using var db = database.Open();
            return await db.Runs.AnyAsync(r => r.Kind == kind && r.Attempts > 0, Cancel);
        }, Cancel);
        await database.ExecuteAsync($"""
            with r as (update portal.runs set done_step = 'ReserveNames' where kind = {kind.ToString()} returning id)
            insert into portal.run_steps (run_id, key, began_at) select id, k, clock_timestamp() from r, unnest(array['ReserveNames', 'ReserveMore']) k
            """, Cancel);

        var view = await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel);
        view!.Run.Kind.ShouldBe(kind);
        view.Run.Steps.Select(s => s.Key).ShouldNotContain(StepKey.Unknown);
        (await StepOnOperationsAsync(site)).ShouldBe(PlanSteps.Of(kind, releasing: false)[0]);
        work();
        await jobs.UntilSettledAsync(Cancel);

        clouds.Broken.ShouldBeEmpty();
        if (kind is RunKind.Launch) clouds.Runs(order.Id).ShouldBeTrue();
        else clouds.LeftOf(order.Id).ShouldBe("");
        await using (var db = database.Open()) (await db.Runs.SingleAsync(r => r.Kind == kind, Cancel)).Phase.ShouldBe(RunPhase.Succeeded);
    }

    private static async Task<StepKey?> StepOnOperationsAsync(TestSite site)
    {
        await using (var db = site.Database.Open())
        {
            db.Memberships.Add(new() { Id = TestSite.NewId(), PersonId = site.Instructor, Role = MemberRole.Operator });
            await db.SaveChangesAsync(Cancel);
        }
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var seen = (await site.Get<OperationsFeed>().WatchAsync(new(site.Instructor), new(), cancellation.Token))!.Now!;
        await cancellation.CancelAsync();
        return seen.Unfinished.Items.Single().Step;
    }

    /// <summary>Launches, on clouds where one action does not work until <paramref name="work"/> is called.</summary>
    private static Task<LaunchRequest> BegunAsync(TestSite site, string fails, out ScriptedClouds clouds, out Action work)
    {
        var works = false;
        clouds = new ScriptedClouds((what, _) => !works && what == fails ? Mood.Unavailable : Mood.Well);
        work = () => works = true;
        return LaunchedAsync();

        async Task<LaunchRequest> LaunchedAsync()
        {
            var order = site.Order(site.Students[0]);
            (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
            return order;
        }
    }
}
