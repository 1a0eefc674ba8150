using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Clouds;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Changing the number of workers while it is running: what it takes, what it gives back and in which order, and what it leaves alone.</summary>
public sealed class ResizeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Resize_Larger_MakesOnlyTheNewNodesAndReservesOnlyThem()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        var before = it.Containers(id);

        (await it.ResizeAsync(id, 4)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);

        var after = it.Containers(id);
        after.Keys.Order().ShouldBe(["notebook", "worker0", "worker1", "worker2", "worker3"]);
        foreach (var (node, container) in before) after[node].ShouldBe(container, $"{node} was not touched");
        await it.HoldsAsync(id, workers: 4);
        var view = await it.LookAsync(id);
        (view.Status, view.Workers, view.Run.Kind, view.Run.Phase).ShouldBe((WorkspaceStatus.Ready, 4, RunKind.Resize, RunPhase.Succeeded));
        view.Run.Steps.Select(s => s.Key).ShouldBe(
            [StepKey.CheckResize, StepKey.EnsureWorkFolder, StepKey.EnsureAccess, StepKey.EnsureCluster, StepKey.ProveEngine, StepKey.KeepWorkers]);
        view.Log.ShouldNotContain(l => l.Text.Contains("left the compute engine"), "no one left");
    }

    [Fact]
    public async Task Resize_Smaller_AsksToLeaveFirstAndReleasesInOrder()
    {
        var acts = new ConcurrentQueue<string>();
        await using var it = await ResizeSite.CreateAsync(Cancel, what => { acts.Enqueue(what); return Mood.Well; });
        it.Clouds.Command = (node, command) => { acts.Enqueue($"{node}: {string.Join(' ', command)}"); return new(0, ""); };
        var id = await it.LaunchAsync(workers: 4);
        var before = it.Containers(id);
        acts.Clear();

        (await it.ResizeAsync(id, 2)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);

        acts.Distinct().ShouldBe(["notebook: leave worker3", "notebook: leave worker2", "remove some nodes", "unmount", "deny", "remove scratch"]);
        it.Clouds.Broken.ShouldBeEmpty();
        var after = it.Containers(id);
        after.Keys.Order().ShouldBe(["notebook", "worker0", "worker1"]);
        after.ShouldAllBe(n => before[n.Key] == n.Value);
        await it.HoldsAsync(id, workers: 2);
        var view = await it.LookAsync(id);
        (view.Status, view.Workers).ShouldBe((WorkspaceStatus.Ready, 2));
        view.Run.Steps.Select(s => s.Key).ShouldBe(
            [StepKey.CheckResize, StepKey.DrainWorkers, StepKey.DropWorkers, StepKey.UnmountWorkers, StepKey.DropWorkerScratch, StepKey.ProveEngine]);
    }

    [Fact]
    public async Task Resize_WorkerNotYetLeft_WaitsWithWordsAndTakesNothing()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Command = (_, _) => new(75, "");
        await it.ResizeAsync(id, 1);
        await it.ClaimUntilAsync(id, r => r is { Phase: RunPhase.Waiting, Message: { } message } && message.StartsWith("worker1: ", StringComparison.Ordinal));

        var view = await it.LookAsync(id);
        (view.Status, view.Workers, view.Run.Workers).ShouldBe((WorkspaceStatus.Resizing, 2, 1));
        await it.HoldsAsync(id, workers: 2);
        (await it.OpenAsync(id)).ShouldBeOfType<OpenAppOutcome.Opened>("apps stay open in the meantime");
        // Its compute engine gives it no more work, and nothing reverses that: it must not stay as if it were working.
        (await it.ResizeAsync(id, 2)).ShouldBeOfType<ChangeOutcome.Refused>().Why.ShouldBe(ChangeRefusal.NotNow);
        await it.Site.Database.ExecuteAsync($"update portal.workspaces set requested_run = 'Resize', requested_by = {it.Owner} where id = {id}", Cancel);

        it.Clouds.Command = (_, _) => new(0, "");
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Run.Phase.ShouldBe(RunPhase.Succeeded);
        await it.HoldsAsync(id, workers: 1);
    }

    [Fact]
    public async Task Resize_WorkerNeverLeaves_IsStoppedAfterItsTimeWithAWarning()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, drainMinutes: 0);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Command = (_, _) => new(1, "no such command");
        await it.ResizeAsync(id, 1);
        await it.Jobs.UntilSettledAsync(Cancel);

        await it.HoldsAsync(id, workers: 1);
        (await it.LookAsync(id)).Log.ShouldContain(l =>
            l.Severity == LogLineSeverity.Warn && l.Text.Contains("worker1 did not leave within 0 minutes") && l.Text.Contains("no such command"));
    }

    [Fact]
    public async Task Resize_WorkerThatEndedMeanwhile_HasLeft()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Command = (_, _) => new(75, "");
        await it.ResizeAsync(id, 1);
        await it.ClaimUntilAsync(id, r => r.Message is not null);
        it.Clouds.Kill(id, "worker1", exitCode: 0);
        await it.Jobs.UntilSettledAsync(Cancel);
        await it.HoldsAsync(id, workers: 1);
    }

    [Fact]
    public async Task Resize_GrowthThatFails_GoesBackToWhatWasThereAndStaysUsable()
    {
        var refuse = false;
        await using var it = await ResizeSite.CreateAsync(Cancel, what => refuse && what == "ensure" ? Mood.Refuses : Mood.Well);
        var id = await it.LaunchAsync(workers: 2);
        var before = it.Containers(id);
        refuse = true;
        await it.ResizeAsync(id, 5);
        await it.Jobs.UntilSettledAsync(Cancel);

        it.Containers(id).ShouldBe(before, ignoreOrder: true);
        await it.HoldsAsync(id, workers: 2);
        var view = await it.LookAsync(id);
        (view.Status, view.Workers, view.Run.Phase, view.Run.FailedStep).ShouldBe((WorkspaceStatus.Ready, 2, RunPhase.Failed, StepKey.EnsureCluster));
        view.Run.Cause!.ShouldContain("will not");
        view.Run.Remedy.ShouldNotBeNullOrEmpty();
        (await it.OpenAsync(id)).ShouldBeOfType<OpenAppOutcome.Opened>();
        refuse = false;
        (await it.ResizeAsync(id, 3)).ShouldBeOfType<ChangeOutcome.Accepted>("and may be resized again");
        await it.Jobs.UntilSettledAsync(Cancel);
        await it.HoldsAsync(id, workers: 3);
    }

    [Fact]
    public async Task Resize_NewWorkerDies_GoesBackWithItsLastWords()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 1);
        it.Clouds.Born = node => node == "worker1" ? NodeState.Exited : NodeState.Running;
        await it.ResizeAsync(id, 2);
        await it.Jobs.UntilSettledAsync(Cancel);

        await it.HoldsAsync(id, workers: 1);
        var view = await it.LookAsync(id);
        (view.Status, view.Run.FailedStep).ShouldBe((WorkspaceStatus.Ready, StepKey.ProveEngine));
        view.Run.Cause!.ShouldContain("its last words");
    }

    [Fact]
    public async Task Resize_OverQuota_IsRefusedWithFewerWorkersAsTheNearestFit()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, members: new(5, 100_000, 100, 10));
        var id = await it.LaunchAsync(workers: 2);
        var refused = (await it.ResizeAsync(id, 6)).ShouldBeOfType<ChangeOutcome.Refused>();
        refused.Why.ShouldBe(ChangeRefusal.OverQuota);
        (refused.Quota!.Reason, refused.Quota.BindingLimit, refused.Quota.Resource,
            refused.Quota.Fits).ShouldBe((RefusalReason.OverQuota, QuotaLevel.Member, Resource.Vcpu, new Fit("s", 4)));
        var receipt = await it.Site.Get<ResizePreview>().RunAsync(new(it.Owner), id, 6, Cancel);
        (receipt!.Wanted.Vcpu, receipt.Wanted.StorageGib, receipt.BindingLimit).ShouldBe((4, 4, refused.Quota));
        await it.HoldsAsync(id, workers: 2);
    }

    /// <summary>The dialog says which of one's own workspaces to stop, or that no stop helps.</summary>
    [Fact]
    public async Task Preview_DoesNotFit_NamesTheWorkspaceToStopOrSaysThatItNeverFits()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, members: new(5, 100_000, 100, 10), capacity: new(6, 100_000, 0, 0));
        var id = await it.LaunchAsync(workers: 1);
        var order = it.Site.Order(it.Owner, "mine");
        (await it.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);

        var quota = await LimitAsync(4);
        (quota.Reason, quota.Resource, quota.Fits).ShouldBe((RefusalReason.OverQuota, Resource.Vcpu, new Fit("s", 3)));
        quota.Stop.ShouldBe(["mine"]);
        var never = await LimitAsync(6);
        (never.Reason, never.Resource, never.Fits).ShouldBe((RefusalReason.NeverPossible, Resource.Vcpu, new Fit("s", 3)));
        never.Stop.ShouldBeEmpty();

        async Task<Refusal> LimitAsync(int workers) => (await it.Site.Get<ResizePreview>().RunAsync(new(it.Owner), id, workers, Cancel))!.BindingLimit!;
    }

    [Fact]
    public async Task Resize_MoreThanTheSiteHoldsWithWhatItHas_IsRefusedAndNeverBlocksTheQueue()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, capacity: new(4, 100_000, 0, 0));
        var id = await it.LaunchAsync(workers: 2);
        (await it.ResizeAsync(id, 4)).ShouldBeOfType<ChangeOutcome.Refused>().Quota!.Reason.ShouldBe(RefusalReason.NeverPossible);
        // The same as a forged row: two more would fit the site, but not in addition to the three that it has.
        await it.ForgeAsync(id, "workers", 4);
        var other = it.Site.Order(it.Site.Students[1]);
        (await it.Site.Get<LaunchWorkspace>().RunAsync(other, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await it.ClaimUntilAsync(other.Id, r => r.Phase == RunPhase.Succeeded);
    }

    [Fact]
    public async Task Resize_NoRoomNow_WaitsInTheQueueAndCanBeTakenBack()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, capacity: new(6, 100_000, 0, 0));
        var id = await it.LaunchAsync(workers: 2);
        var other = await it.LaunchAsync(workers: 2, it.Site.Students[1]);
        (await it.ResizeAsync(id, 4)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await Task.WhenAll(await it.Jobs.ClaimAsync(Cancel));
        var waiting = await it.LookAsync(id);
        (waiting.Status, waiting.Run.Phase, waiting.Queue!.Place,
            waiting.Queue.WaitsFor).ShouldBe((WorkspaceStatus.Resizing, RunPhase.Queued, 1, QueueWait.Capacity));
        (await it.ResizeAsync(id, 4)).ShouldBeOfType<ChangeOutcome.Already>();
        (await it.ResizeAsync(id, 3)).ShouldBeOfType<ChangeOutcome.Refused>().Why.ShouldBe(ChangeRefusal.NotNow);

        (await it.ResizeAsync(id, 2)).ShouldBeOfType<ChangeOutcome.Accepted>("what it had");
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Run.Phase.ShouldBe(RunPhase.Cancelled);
        await it.HoldsAsync(id, workers: 2);
        await it.HoldsAsync(other, workers: 2);
    }

    [Fact]
    public async Task Resize_UntilOthersStop_IsAdmittedThen()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, capacity: new(6, 100_000, 0, 0));
        var id = await it.LaunchAsync(workers: 2);
        var other = await it.LaunchAsync(workers: 2, it.Site.Students[1]);
        await it.ResizeAsync(id, 4);
        await Task.WhenAll(await it.Jobs.ClaimAsync(Cancel));
        // A reduction is admitted immediately, whoever is waiting; removing two frees the capacity.
        await it.ResizeAsync(other, 1, it.Site.Students[1]);
        await it.ClaimUntilAsync(other, r => r is { Kind: RunKind.Resize, Phase: RunPhase.Succeeded });
        (await it.LookAsync(id)).Run.Phase.ShouldBe(RunPhase.Queued);
        await it.Site.Get<StopWorkspace>().RunAsync(new(it.Site.Students[1]), other, Cancel);
        await it.Jobs.UntilSettledAsync(Cancel);
        await it.HoldsAsync(id, workers: 4);
    }

    [Fact]
    public async Task Resize_NotNow_IsRefusedAsAValue()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        (await it.ResizeAsync(id, 2)).ShouldBeOfType<ChangeOutcome.Already>();
        foreach (var number in (int[])[0, 7, -1])
            (await it.ResizeAsync(id, number)).ShouldBeOfType<ChangeOutcome.Refused>().Quota!.Reason.ShouldBe(RefusalReason.WorkersUnknown);
        (await it.ResizeAsync(id, 3, it.Site.Students[1])).ShouldBeOfType<ChangeOutcome.NotFound>();
        await it.Site.Get<StopWorkspace>().RunAsync(new(it.Owner), id, Cancel);
        (await it.ResizeAsync(id, 3)).ShouldBeOfType<ChangeOutcome.Refused>().Why.ShouldBe(ChangeRefusal.StoppingFirst);
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.ResizeAsync(id, 3)).ShouldBeOfType<ChangeOutcome.Refused>().Why.ShouldBe(ChangeRefusal.NotNow);
        await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, null, Cancel);
        (await it.ResizeAsync(id, 3)).ShouldBeOfType<ChangeOutcome.Refused>().Why.ShouldBe(ChangeRefusal.NotNow);
        await it.Jobs.UntilSettledAsync(Cancel);
        await it.HoldsAsync(id, workers: 2);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(1)]
    public async Task Resize_StoppedInItsMiddle_IsStoppedAndNothingOfTheWorkersIsLeft(int target)
    {
        var unavailable = false;
        await using var it = await ResizeSite.CreateAsync(Cancel, what => unavailable && what == "ensure" ? Mood.Unavailable : Mood.Well);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Command = (_, _) => new(75, "");
        unavailable = true;
        await it.ResizeAsync(id, target);
        await it.ClaimUntilAsync(id, r => r.Message is not null);
        (await it.Site.Get<StopWorkspace>().RunAsync(new(it.Owner), id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        (await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, null, Cancel)).ShouldBeOfType<ChangeOutcome.Refused>().Why.ShouldBe(
            ChangeRefusal.NotNow);
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Status.ShouldBe(WorkspaceStatus.Stopped);
        await it.Jobs.Get<Orphans>().RunAsync(it.Jobs.Kit, Cancel);
        await it.HoldsAsync(id, workers: 2, stopped: true);
    }

    [Fact]
    public async Task EndTime_WhileItIsResized_StopsIt()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Command = (_, _) => new(75, "");
        await it.ResizeAsync(id, 1);
        await it.ClaimUntilAsync(id, r => r.Message is not null);
        await it.Site.Database.ExecuteAsync($"update portal.workspaces set end_at = clock_timestamp() where id = {id}", Cancel);
        await it.Jobs.Get<EndTimes>().RunAsync(Cancel);
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Status.ShouldBe(WorkspaceStatus.Stopped);
    }

    [Fact]
    public async Task EndTime_AfterAResize_StopsIt()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        await it.ResizeAsync(id, 1);
        await it.Jobs.UntilSettledAsync(Cancel);
        await it.Site.Database.ExecuteAsync($"update portal.workspaces set end_at = clock_timestamp() where id = {id}", Cancel);
        await it.Jobs.Get<EndTimes>().RunAsync(Cancel);
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Status.ShouldBe(WorkspaceStatus.Stopped);
    }

    [Theory]
    [InlineData("more workers than were reserved", "workers", 4, false, "never reserved")]
    [InlineData("more workers than the version can have", "workers", 99, false, "does not support 99 workers")]
    [InlineData("no workers at all", "workers", 0, false, "does not support 0 workers")]
    [InlineData("another size", "size_id", "l", false, "Only the number of workers")]
    [InlineData("a stopped workspace", "workers", 1, true, "is not running")]
    public async Task Order_ForgedResize_IsRefusedBeforeAnythingChanges(string what, string column, object value, bool stopped, string cause)
    {
        var acts = 0;
        await using var it = await ResizeSite.CreateAsync(Cancel, _ => { Interlocked.Increment(ref acts); return Mood.Well; });
        var id = await it.LaunchAsync(workers: 2);
        if (stopped)
        {
            await it.Site.Get<StopWorkspace>().RunAsync(new(it.Owner), id, Cancel);
            await it.Jobs.UntilSettledAsync(Cancel);
        }
        var (before, done) = (it.Containers(id), acts);
        await it.ForgeAsync(id, column, value);
        await it.Jobs.UntilSettledAsync(Cancel);

        await using var db = it.Site.Database.Open();
        var run = await db.Runs.SingleAsync(r => r.Kind == RunKind.Resize, Cancel);
        (run.Phase, run.FailedStep).ShouldBe((RunPhase.Failed, StepKey.CheckResize), what);
        run.Cause!.ShouldContain(cause);
        run.Remedy.ShouldNotBeNullOrEmpty();
        acts.ShouldBe(done, "no cloud was asked to change anything");
        it.Containers(id).ShouldBe(before, ignoreOrder: true);
        await it.HoldsAsync(id, workers: 2, stopped);
        (await it.LookAsync(id)).Status.ShouldBe(stopped ? WorkspaceStatus.Stopped : WorkspaceStatus.Ready);
    }
}
