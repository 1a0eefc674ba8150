using Microsoft.EntityFrameworkCore;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Proofs;
using Portal.Jobs.Runs;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>A run that waits is a row; only the dispatcher wakes it, so the dispatcher must learn of each new due time.</summary>
public sealed class WaitingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Mood.Well)] // checks again, because the notebook is not up yet
    [InlineData(Mood.Unavailable)] // retries, because the cloud did not answer
    public async Task Run_ThatWaitsForATime_RingsForTheDispatcher(Mood mood)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => mood) { Proof = _ => new ProofOutcome.NotYet("It starts.", WebUnavailable: false) };
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(10));
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        await Task.WhenAll(await jobs.ClaimAsync(Cancel));

        await using var db = database.Open();
        (await db.Runs.SingleAsync(Cancel)).Phase.ShouldBe(RunPhase.Waiting);
        (await jobs.Get<DispatchSignal>().WaitAsync(TimeSpan.Zero, Cancel)).ShouldBeTrue();
    }
}
