using Portal.Core.Workspaces;
using Portal.IntegrationTests.Crashes;
using Portal.TestKit;

namespace Portal.IntegrationTests.Metrics;

/// <summary>A node of a real cluster fills its scratch folder and frees space again: its owner soon sees what the compute engine does not report.</summary>
public sealed class ScratchTests(ScratchTests.Clusters site) : IClassFixture<ScratchTests.Clusters>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Installation It => site.It;
    private WorkerScratch Worker => new(It, 1L << 30);

    [Fact]
    public async Task ScratchFolder_FilledByItsNode_IsToldUntilThereIsRoomAgain()
    {
        var dask = new ClusterDriver(It, "dask", ["scheduler", "notebook"], Client("len(c.scheduler_info()['workers'])"), Client("0"));
        var (owner, id) = await dask.ReadyAsync(workers: 1);
        (await Worker.LookAsync(owner, id)).ShouldSatisfyAllConditions(
            s => s.State.ShouldBe(ScratchState.Normal), s => s.Cause.ShouldBeNull(), s => s.Remedy.ShouldBeNull());

        // Two files: in a full folder btrfs allows deleting one but not truncating it.
        (await Worker.ExecuteAsync(id, "dd", "if=/dev/zero", "of=/scratch/dask/most", "bs=1M", "count=950")).ExitCode.ShouldBe(0);
        await Worker.FillAsync(id, "/scratch/dask/fill");
        await Worker.BecomesAsync(owner, id, ScratchState.Full);
        (await Worker.ToldAsync(owner, id)).ShouldContain("client.restart()");

        (await Worker.ExecuteAsync(id, "rm", "/scratch/dask/fill")).ExitCode.ShouldBe(0);
        await Worker.BecomesAsync(owner, id, ScratchState.NearlyFull);

        (await Worker.ExecuteAsync(id, "rm", "/scratch/dask/most")).ExitCode.ShouldBe(0);
        await Worker.BecomesAsync(owner, id, ScratchState.Normal);
        await dask.DeleteAsync(owner, id);
    }

    /// <summary>A student has no other way onto the node than a job, so one must start there although nothing more can be written.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task ScratchFolderOfSlurm_FilledByAJob_IsToldAndEmptiedByAJobAsAdvised()
    {
        const string Nodes = "import subprocess; print(len(subprocess.run(['sinfo', '-h', '-N', '-t', 'idle'], capture_output=True).stdout.splitlines()))";
        var slurm = new ClusterDriver(It, "slurm", ["controller", "notebook"], Nodes, Nodes);
        var (owner, id) = await slurm.ReadyAsync(workers: 1);

        var job = await It.Lab.Clusters.ExecuteAsync(id, "notebook", ["srun", "-w", "worker0", "dd", "if=/dev/zero", "of=/scratch/results", "bs=1M"], Cancel);
        job.Output.ShouldContain("Disk quota exceeded");
        await Worker.FillAsync(id, "/scratch/last", "bs=4k");
        await Worker.BecomesAsync(owner, id, ScratchState.Full);
        (await Worker.ToldAsync(owner, id)).ShouldContain("srun -w NODE rm -r");

        var emptied = await It.Lab.Clusters.ExecuteAsync(id, "notebook", ["srun", "-w", "worker0", "rm", "-rf", "/scratch/results", "/scratch/last"], Cancel);
        emptied.ExitCode.ShouldBe(0, emptied.Output);
        await Worker.BecomesAsync(owner, id, ScratchState.Normal);
        await slurm.DeleteAsync(owner, id);
    }

    private static string Client(string expression) =>
        $"from dask.distributed import Client\nwith Client('tcp://scheduler:8786', timeout=5) as c: print({expression})";

    /// <summary>Dask and Slurm: Spark's and Hadoop's images take long.</summary>
    public sealed class Clusters : IAsyncLifetime
    {
        public Installation It { get; private set; } = null!;

        public async ValueTask InitializeAsync() => It = await Installation.StartAsync(students: 1, ["dask", "slurm"], Cancel);

        public async ValueTask DisposeAsync()
        {
            if (It is not null) await It.DisposeAsync();
        }
    }
}
