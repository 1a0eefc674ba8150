using Portal.Api;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Crashes;
using Portal.TestKit;

namespace Portal.IntegrationTests.Metrics;

/// <summary>A node of a real cluster fills its scratch folder and frees space again: its owner soon sees what the compute engine does not report.</summary>
public sealed class ScratchTests(RunningSite site) : IClassFixture<RunningSite>
{
    /// <summary>Usage is read every ten seconds; a busy machine needs some more.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Installation It => site.It;

    [Fact]
    public async Task ScratchFolder_FilledByItsNode_IsToldUntilThereIsRoomAgain()
    {
        var dask = new ClusterDriver(It, "dask", ["scheduler", "notebook"], Client("len(c.scheduler_info()['workers'])"), Client("0"));
        var (owner, id) = await dask.ReadyAsync(workers: 1);
        (await OfWorkerAsync(owner, id)).ShouldSatisfyAllConditions(
            s => s.State.ShouldBe(ScratchState.Normal), s => s.Cause.ShouldBeNull(), s => s.Remedy.ShouldBeNull());

        // Two files: in a full folder btrfs allows deleting one but not truncating it.
        (await It.Lab.Clusters.ExecuteAsync(id, "worker0", ["dd", "if=/dev/zero", "of=/scratch/dask/most", "bs=1M", "count=950"], Cancel)).ExitCode.ShouldBe(0);
        var filled = await It.Lab.Clusters.ExecuteAsync(id, "worker0", ["dd", "if=/dev/zero", "of=/scratch/dask/fill", "bs=1M"], Cancel);
        filled.ExitCode.ShouldNotBe(0);
        filled.Output.ShouldContain("Disk quota exceeded");
        await BecomesAsync(owner, id, ScratchState.Full);
        var full = await OfWorkerAsync(owner, id);
        full.LimitBytes.ShouldBe(1 << 30);
        full.Cause.ShouldBe("The scratch folder of worker0 is full: anything that needs to write there waits or fails until there is space.");
        full.Remedy.ShouldNotBeNull().ShouldContain("client.restart()");

        (await It.Lab.Clusters.ExecuteAsync(id, "worker0", ["rm", "/scratch/dask/fill"], Cancel)).ExitCode.ShouldBe(0);
        await BecomesAsync(owner, id, ScratchState.NearlyFull);

        (await It.Lab.Clusters.ExecuteAsync(id, "worker0", ["rm", "/scratch/dask/most"], Cancel)).ExitCode.ShouldBe(0);
        await BecomesAsync(owner, id, ScratchState.Normal);
        await dask.DeleteAsync(owner, id);
    }

    private Task<TimeSpan> BecomesAsync(Guid owner, Guid id, ScratchState state) => Until.TrueAsync(
        $"worker0's folder is said to be {state}", async () => (await OfWorkerAsync(owner, id)).State == state, Cancel, Soon);

    /// <summary>As the page and the API get it.</summary>
    private async Task<ScratchShape> OfWorkerAsync(Guid owner, Guid id) =>
        WorkspaceShape.Of((await It.Site.Get<WorkspaceFeed>().LookAsync(new(owner), id, Cancel))!).Scratch.Single(s => s.Node == "worker0");

    private static string Client(string expression) =>
        $"from dask.distributed import Client\nwith Client('tcp://scheduler:8786', timeout=5) as c: print({expression})";
}
