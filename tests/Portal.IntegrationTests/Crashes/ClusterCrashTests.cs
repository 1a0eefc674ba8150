using Docker.DotNet.Models;
using Microsoft.EntityFrameworkCore;
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
    private static readonly string Known = Client("len(c.scheduler_info()['workers'])");
    private Installation It => site.It;
    private ClusterHands Dask => new(It, "dask", ["scheduler", "notebook"], Known);

    [Fact]
    public Task Kill_InTheMiddleOfAResize_EndsWithTheWorkersOrdered() => Dask.KillResizesAsync();

    [Fact]
    public async Task Worker_LostInTheMiddleOfAComputation_IsMadeAgainAndTheResultIsRight()
    {
        var (owner, id) = await Dask.ReadyAsync(workers: 2);
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
        await Until.TrueAsync("it computes on both workers", async () => await Dask.CountAsync(id, Client("sum(1 for w in c.processing().values() if w)")) == 2, Cancel, Settles);

        await It.Lab.Engine.AskAsync(c => c.Containers.KillContainerAsync(It.Lab.Owned.Container(id, 1, "worker0"), new ContainerKillParameters { Signal = "KILL" }, Cancel), Cancel);

        var result = await computing;
        (result.ExitCode, result.Said.Trim().Split('\n')[^1]).ShouldBe((0, "sum 20540"), result.Said);
        await Until.TrueAsync("the lost worker is there again", async () => await Dask.CountAsync(id, Known) == 2, Cancel, Settles);
        await using (var db = It.Database.Open())
        {
            var node = await db.Nodes.AsNoTracking().SingleAsync(n => n.WorkspaceId == id && n.Name == "worker0", Cancel);
            (node.Running, node.Restarts).ShouldBe((true, 1));
            (await db.LogLines.AsNoTracking().Where(l => l.WorkspaceId == id).Select(l => l.Text).ToListAsync(Cancel)).ShouldContain(t => t.StartsWith("The worker worker0 ended by itself", StringComparison.Ordinal));
        }
        await Dask.IsAsync(id, 2);
        await Dask.DeleteAsync(owner, id);
    }

    private static string Client(string expression) => $"from dask.distributed import Client\nwith Client('tcp://scheduler:8786', timeout=5) as c: print({expression})";
}
