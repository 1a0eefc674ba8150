using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Leases;
using Portal.Jobs.Restarts;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Workers that exit on their own are recreated, a bounded number of times, and counted; nothing else is touched.</summary>
public sealed class WorkerRestartsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Writes what is seen as rows, as the watch does; then one pass of automatic restarts.</summary>
    private static async Task RestartAsync(ResizeSite it, Guid id)
    {
        await it.Jobs.Get<NodeRows>().SeeAsync(id, await it.Clouds.LookAsync(id, Cancel), Cancel);
        await it.Jobs.Get<WorkerRestarts>().RunAsync(Cancel);
    }

    [Theory]
    [InlineData(137, true, "out of memory")]
    [InlineData(3, false, "exit code 3")]
    [InlineData(null, false, "removed from outside")]
    public async Task Worker_EndedByItself_IsMadeAnewCountedAndTold(int? exitCode, bool outOfMemory, string why)
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        var before = it.Containers(id);
        it.Clouds.Kill(id, "worker1", exitCode, outOfMemory);
        await RestartAsync(it, id);

        var after = it.Containers(id);
        after["worker1"].ShouldNotBe(before["worker1"]);
        (after["notebook"], after["worker0"]).ShouldBe((before["notebook"], before["worker0"]));
        await it.HoldsAsync(id, workers: 2);
        var view = await it.LookAsync(id);
        view.Status.ShouldBe(WorkspaceStatus.Ready);
        view.Nodes.Select(n => (n.Name, n.Restarts)).ShouldBe([("notebook", 0), ("worker0", 0), ("worker1", 1)]);
        view.Log.ShouldContain(l => l.Severity == LogLineSeverity.Warn && l.Text.Contains("worker1 stopped unexpectedly") && l.Text.Contains(why));

        // Seen gone and seen again: the count belongs to the generation, not to the container.
        it.Clouds.Kill(id, "worker1", exitCode: null);
        await it.Jobs.Get<NodeRows>().SeeAsync(id, await it.Clouds.LookAsync(id, Cancel), Cancel);
        (await it.LookAsync(id)).AutomaticRestarts.ShouldBe(RestartState.Again);
        await it.Jobs.Get<WorkerRestarts>().RunAsync(Cancel);
        (await it.LookAsync(id)).Nodes.Single(n => n.Name == "worker1").Restarts.ShouldBe(2);
    }

    [Fact]
    public async Task Worker_TheCloudBuildsItForMinutes_UsesUpOneRestartOnly()
    {
        var slow = false;
        await using var it = await ResizeSite.CreateAsync(Cancel, what => slow && what is "ensure" ? Mood.BuildsSlowly : Mood.Well);
        var id = await it.LaunchAsync(workers: 2);
        slow = true;
        it.Clouds.SlowLooks = 12;
        it.Clouds.Kill(id, "worker1");
        await RestartAsync(it, id);
        it.Clouds.NodesOf(id).Single(n => n.Name == "worker1").State.ShouldBe(NodeState.Building);
        (await it.LookAsync(id)).Status.ShouldBe(WorkspaceStatus.Attention);

        for (var ticks = 0; ticks < 8; ticks++) await RestartAsync(it, id);

        var view = await it.LookAsync(id);
        view.Status.ShouldBe(WorkspaceStatus.Ready);
        view.Nodes.Single(n => n.Name == "worker1").Restarts.ShouldBe(1);
    }

    [Fact]
    public async Task Worker_EndsAgainAndAgain_IsLeftAloneAndSaidSo()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        for (var times = 0; times < 3; times++)
        {
            it.Clouds.Kill(id, "worker0");
            await RestartAsync(it, id);
        }
        (await it.LookAsync(id)).Status.ShouldBe(WorkspaceStatus.Ready);
        it.Clouds.Kill(id, "worker0");
        var dead = it.Containers(id)["worker0"];
        for (var rounds = 0; rounds < 3; rounds++) await RestartAsync(it, id);

        it.Containers(id)["worker0"].ShouldBe(dead);
        var view = await it.LookAsync(id);
        (view.Status, view.AutomaticRestarts).ShouldBe((WorkspaceStatus.Attention, RestartState.GivenUp));
        view.Nodes.Single(n => n.Name == "worker0").Restarts.ShouldBe(3);
        view.Log.Count(l => l.Severity == LogLineSeverity.Fail && l.Text.Contains("automatic restarts are paused for now")).ShouldBe(1);

        // Ten minutes later it is tried again.
        await it.Site.Database.ExecuteAsync($"update portal.audit set at = at - interval '11 minutes' where workspace_id = {id}", Cancel);
        await RestartAsync(it, id);
        it.Containers(id)["worker0"].ShouldNotBe(dead);
    }

    [Fact]
    public async Task Worker_OfAWorkspaceThatSomebodyHolds_HoldsUpNoOther()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var (held, free) = (await it.LaunchAsync(workers: 1), await it.LaunchAsync(workers: 1));
        var data = it.Jobs.Get<NpgsqlDataSource>();
        foreach (var id in (Guid[])[held, free])
        {
            it.Clouds.Kill(id, "worker0");
            await it.Jobs.Get<NodeRows>().SeeAsync(id, await it.Clouds.LookAsync(id, Cancel), Cancel);
        }
        var dead = it.Containers(held)["worker0"];

        await using (await LongLock.OfWorkspaceAsync(data, held, TimeProvider.System, Cancel))
            await it.Jobs.Get<WorkerRestarts>().RunAsync(Cancel).WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, Cancel);

        await it.HoldsAsync(free, workers: 1);
        it.Containers(held)["worker0"].ShouldBe(dead, "whoever holds it may be about to release it");
        await it.Jobs.Get<WorkerRestarts>().RunAsync(Cancel);
        it.Containers(held)["worker0"].ShouldNotBe(dead);
    }

    [Fact]
    public async Task Node_WhoseLastWordsDoNotCome_HoldsUpNoOthersRow()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var (mute, other) = (await it.LaunchAsync(workers: 1), await it.LaunchAsync(workers: 1));
        it.Clouds.Mute.Add(mute);
        using var watch = ActivatorUtilities.CreateInstance<NodeWatch>(it.Jobs.Get<IServiceProvider>());
        await watch.StartAsync(Cancel);
        foreach (var id in (Guid[])[mute, other])
        {
            it.Clouds.Kill(id, "worker0");
            await it.Clouds.Events.Writer.WriteAsync(new(ClusterHappening.Died, id, "worker0", ExitCode: 1, Generation: 1), Cancel);
        }

        await Until.TrueAsync("the other's death is seen and reported",
            async () => (await it.LookAsync(other)).Log.Any(l => l.Text.Contains("its last words")), Cancel);
        await Until.TrueAsync("and the first one's without its last lines",
            async () => (await it.LookAsync(mute)).Log.Any(l => l.Text.Contains("worker0 stopped unexpectedly")), Cancel);
        (await it.LookAsync(mute)).Log.ShouldNotContain(l => l.Text.Contains("its last words"));
        await watch.StopAsync(Cancel);
    }

    [Fact]
    public async Task Notebook_EndedByItself_IsLeftToItsOwner()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Kill(id, "notebook");
        it.Clouds.Kill(id, "worker0", exitCode: null);
        var before = it.Containers(id);
        await RestartAsync(it, id);
        it.Containers(id).ShouldBe(before, ignoreOrder: true);
        var view = await it.LookAsync(id);
        (view.Status, view.AutomaticRestarts).ShouldBe((WorkspaceStatus.Attention, RestartState.None));
    }

    [Fact]
    public async Task Worker_EndedDuringARun_IsLeftToTheRun()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 3);
        it.Clouds.Command = (_, _) => new(75, "");
        await it.ResizeAsync(id, 2);
        await it.ClaimUntilAsync(id, r => r.Message is not null);
        it.Clouds.Kill(id, "worker0");
        var before = it.Containers(id);
        await RestartAsync(it, id);
        it.Containers(id).ShouldBe(before, ignoreOrder: true);

        // The smaller number is kept, the run says what happened, and then the worker is recreated.
        it.Clouds.Command = (_, _) => new(0, "");
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Run.Phase.ShouldBe(RunPhase.Failed);
        await RestartAsync(it, id);
        await it.HoldsAsync(id, workers: 2);
        (await it.LookAsync(id)).Status.ShouldBe(WorkspaceStatus.Ready);
    }

    [Fact]
    public async Task Workers_OfAWorkspaceThatIsStopped_StayAway()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Kill(id, "worker0");
        await RestartAsync(it, id);
        await it.Site.Get<StopWorkspace>().RunAsync(new(it.Owner), id, Cancel);
        await it.Jobs.UntilSettledAsync(Cancel);
        await RestartAsync(it, id);
        await it.HoldsAsync(id, workers: 2, stopped: true);
        await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, null, Cancel);
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Nodes.ShouldAllBe(n => n.Restarts == 0);
    }
}
