using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

/// <summary>
/// A real Dask cluster on the real container engine: Jobs and web killed in the middle of a Resize, a worker lost in the middle of a computation, and one that
/// leaves with data.
/// The result must be what was ordered, as counted by the compute engine itself, and nothing else may be held.
/// </summary>
public sealed class ClusterCrashTests(CrashSite site) : IClassFixture<CrashSite>
{
    private static readonly string Known = Client("len(c.scheduler_info()['workers'])");
    private ClusterDriver Dask => new(site.It, "dask", ["scheduler", "notebook"], Known, Client("sum(c.nthreads().values())"));

    [Fact]
    public Task Kill_InTheMiddleOfAResize_EndsWithTheWorkersOrdered() => Dask.KillResizesAsync(most: 3);

    [Fact, Trait("Lane", "long")]
    public Task Kill_AfterMoreStepsOfResizes_EndsWithTheWorkersOrdered() => Dask.KillResizesAsync();

    [Fact]
    public Task Worker_LostInTheMiddleOfAComputation_IsMadeAgainAndTheResultIsRight() =>
        // Tasks of the lost worker are run again.
        Dask.LoseWorkerAsync("""
            import time
            from dask.distributed import Client
            def slow(n):
                time.sleep(.5)
                return n * n
            with Client("tcp://scheduler:8786") as client:
                print("sum", sum(client.gather(client.map(slow, range(160)))))
            """, Client("int(any(tasks for worker, tasks in c.processing().items() if c.scheduler_info()['workers'][worker]['name'] == 'worker0'))"),
            "tasks", "sum 1352560");

    [Fact]
    public Task Worker_ThatLeavesWithData_HandsItOver() =>
        // Scattered data cannot be recomputed: if its worker leaves with it, it is lost for good.
        Dask.DrainAsync("""
            from dask.distributed import Client
            with Client("tcp://scheduler:8786") as client:
                client.publish_dataset(client.scatter([list(range(n, n + 1000)) for n in range(0, 40000, 1000)]), name="kept")
                print("made")
            """, Client("int(any(keys for worker, keys in c.has_what().items() if c.scheduler_info()['workers'][worker]['name'] == 'worker1'))"),
            Client("'sum', sum(sum(part) for part in c.gather(c.get_dataset('kept')))"), "sum 799980000");

    private static string Client(string expression) =>
        $"from dask.distributed import Client\nwith Client('tcp://scheduler:8786', timeout=5) as c: print({expression})";
}
