using Docker.DotNet.Models;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

/// <summary>
/// A real Dask cluster on the real engine: Jobs and web killed in the middle of a Resize, and a worker lost in the middle of a computation.
/// What is there afterwards is what was ordered, counted by the engine itself, and nothing else is held.
/// </summary>
public sealed class ClusterCrashTests(CrashSite site) : IClassFixture<CrashSite>
{
    private static readonly TimeSpan Settles = TimeSpan.FromMinutes(2);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private Installation It => site.It;

    [Fact]
    public async Task Kill_InTheMiddleOfAResize_EndsWithTheWorkersOrdered()
    {
        var (owner, id) = await ReadyAsync(workers: 1);
        foreach (var (workers, after, victim) in ((int, StepKey, Child)[])
            [(3, StepKey.CheckResize, It.Jobs), (1, StepKey.DrainWorkers, It.Jobs), (3, StepKey.EnsureAccess, It.Jobs), (2, StepKey.DropWorkers, It.Jobs), (3, StepKey.EnsureCluster, It.Jobs), (1, StepKey.UnmountWorkers, It.Web)])
        {
            (await It.Site.Get<ResizeWorkspace>().RunAsync(new(owner), id, workers, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>($"to {workers}");
            await SavedAsync(id, after);
            victim.Kill();
            victim.Start();
            await EndedAsync(id);
            await IsAsync(id, workers);
        }
        await DeleteAsync(owner, id);
    }

    [Fact]
    public async Task Worker_LostInTheMiddleOfAComputation_IsMadeAgainAndTheResultIsRight()
    {
        var (owner, id) = await ReadyAsync(workers: 2);
        // Forty tasks of half a second on two workers; those that the lost one held are done again.
        var computing = It.Lab.Clusters.ExecuteAsync(id, "notebook", ["python3", "-c", """
            import time
            from dask.distributed import Client
            def slow(n):
                time.sleep(.5)
                return n * n
            with Client("tcp://scheduler:8786") as client:
                print("sum", sum(client.gather(client.map(slow, range(40)))))
            """], Cancel);
        await Until.TrueAsync("it computes on both workers", async () => await CountAsync(id, "sum(1 for w in c.processing().values() if w)") == 2, Cancel, Settles);

        await It.Lab.Engine.AskAsync(c => c.Containers.KillContainerAsync(It.Lab.Owned.Container(id, 1, "worker0"), new ContainerKillParameters { Signal = "KILL" }, Cancel), Cancel);

        var result = await computing;
        (result.ExitCode, result.Said.Trim().Split('\n')[^1]).ShouldBe((0, "sum 20540"), result.Said);
        await Until.TrueAsync("the lost worker is there again", async () => await CountAsync(id, "len(c.scheduler_info()['workers'])") == 2, Cancel, Settles);
        await using (var db = It.Database.Open())
        {
            var node = await db.Nodes.AsNoTracking().SingleAsync(n => n.WorkspaceId == id && n.Name == "worker0", Cancel);
            (node.Running, node.Restarts).ShouldBe((true, 1));
            (await db.LogLines.AsNoTracking().Where(l => l.WorkspaceId == id).Select(l => l.Text).ToListAsync(Cancel)).ShouldContain(t => t.StartsWith("The worker worker0 ended by itself", StringComparison.Ordinal));
        }
        await IsAsync(id, 2);
        await DeleteAsync(owner, id);
    }

    private async Task<(Guid Owner, Guid Id)> ReadyAsync(int workers)
    {
        await Until.TrueAsync("Dask is offered", async () =>
        {
            await using var db = It.Database.Open();
            return await db.TemplateVersions.AnyAsync(t => t.TemplateId == "dask" && !t.Retired, Cancel);
        }, Cancel, Settles);
        var owner = It.Site.Students[0];
        var order = It.Site.Order(owner) with { TemplateId = "dask", Workers = workers };
        var outcome = await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel);
        outcome.ShouldBeOfType<LaunchOutcome.Accepted>(outcome.ToString());
        await EndedAsync(order.Id);
        await IsAsync(order.Id, workers);
        return (owner, order.Id);
    }

    /// <summary>Of the newest run.</summary>
    private Task<TimeSpan> SavedAsync(Guid id, StepKey step) => Until.TrueAsync($"{step} is saved", async () =>
    {
        await using var db = It.Database.Open();
        var run = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
        run.Phase.ShouldNotBe(RunPhase.Failed, run.Cause);
        return await db.RunSteps.AnyAsync(s => s.RunId == run.Id && s.Key == step && s.EndedAt != null, Cancel);
    }, Cancel, Settles);

    private Task<TimeSpan> EndedAsync(Guid id) => Until.TrueAsync("the newest run has ended well", async () =>
    {
        await using var db = It.Database.Open();
        var run = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
        run.Phase.ShouldNotBe(RunPhase.Failed, run.Cause);
        return run.Phase is RunPhase.Succeeded;
    }, Cancel, Settles);

    /// <summary>This many workers, by the engine that counts them, the containers, and everything that is held for them.</summary>
    private async Task IsAsync(Guid id, int workers)
    {
        string[] scratch = ["scheduler", .. Enumerable.Range(0, workers).Select(i => $"worker{i}"), "notebook"];
        (await It.Lab.Clusters.LookAsync(id, Cancel))!.Nodes.Select(n => n.Name).ShouldBe(scratch, ignoreOrder: true, "containers");
        (await CountAsync(id, "len(c.scheduler_info()['workers'])")).ShouldBe(workers, "workers that the engine knows");
        (await It.Lab.Shares.AccessAsync(Cancel)).Where(a => a.Workspace == id && a.Scratch is not null).Select(a => a.Scratch!).ShouldBe(scratch, ignoreOrder: true, "mounts of scratch folders");
        (await It.Lab.Filesets.ScratchAsync(Cancel)).Where(f => f.Workspace == id).Select(f => f.Node).ShouldBe(scratch, ignoreOrder: true, "scratch folders");
        await using var db = It.Database.Open();
        (await db.Workspaces.SingleAsync(w => w.Id == id, Cancel)).Workers.ShouldBe(workers);
        (await db.CapacityClaims.Where(c => c.WorkspaceId == id && c.EndedAt == null).Select(c => c.Node).ToListAsync(Cancel)).ShouldBe(scratch, ignoreOrder: true, "room");
        foreach (var kind in (ReservationKind[])[ReservationKind.Compute, ReservationKind.Scratch])
            (await db.Reservations.Where(r => r.WorkspaceId == id && r.EndedAt == null && r.Kind == kind).Select(r => r.Node).ToListAsync(Cancel)).ShouldBe(scratch, ignoreOrder: true, $"quota of {kind}");
    }

    /// <summary>A number that a client of the cluster reads; -1 while it cannot be read.</summary>
    private async Task<int> CountAsync(Guid id, string expression)
    {
        var said = await It.Lab.Clusters.ExecuteAsync(id, "notebook", ["python3", "-c", $"from dask.distributed import Client\nwith Client('tcp://scheduler:8786', timeout=5) as c: print({expression})"], Cancel);
        return int.TryParse(said.Said.Trim().Split('\n')[^1], System.Globalization.CultureInfo.InvariantCulture, out var count) ? count : -1;
    }

    private async Task DeleteAsync(Guid owner, Guid id)
    {
        await It.Site.Get<DeleteWorkspace>().RunAsync(new(owner), id, Cancel);
        await EndedAsync(id);
        (await It.Lab.Clusters.LookAsync(id, Cancel)).ShouldBeNull();
        (await It.Lab.Shares.AccessAsync(Cancel)).ShouldNotContain(a => a.Workspace == id);
        (await It.Lab.Filesets.ScratchAsync(Cancel)).ShouldNotContain(f => f.Workspace == id);
    }
}
