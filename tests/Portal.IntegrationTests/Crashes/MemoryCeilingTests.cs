using Microsoft.EntityFrameworkCore;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

/// <summary>Jobs at its maximum heap size, as a separate process: only what needs too much fails, and everything else continues.</summary>
public sealed class MemoryCeilingTests
{
    /// <summary>256 MiB.</summary>
    private const string Ceiling = "0x10000000";

    /// <summary>Bytes of one row's text; as text of .NET twice as many.</summary>
    private const int TooMuch = 150_000_000;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact, Trait("Lane", "long")]
    public async Task Jobs_RunThatNeedsMoreThanItsCeiling_FailsAloneAndGoesOnWhenItNeedsLess()
    {
        await using var it = await Installation.StartAsync(students: 2, Cancel, ("DOTNET_GCHeapHardLimit", Ceiling));
        var (greedy, other) = (it.Site.Order(it.Site.Students[0]), it.Site.Order(it.Site.Students[1]));
        var jobs = it.Jobs.Id;
        it.Jobs.Pause();
        var launch = it.Site.Get<LaunchWorkspace>();
        foreach (var order in (LaunchRequest[])[greedy, other]) (await launch.RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        // What a compromised web process could write: a row that cannot be read within the limit.
        await it.Database.ExecuteAsync(
            $"update portal.workspaces set parameters = jsonb_build_object('x', repeat('y', {TooMuch})) where id = {greedy.Id}", Cancel);
        it.Jobs.Resume();

        await Until.TrueAsync("the greedy run was attempted", async () => (await RunAsync(it, greedy.Id)).Attempts > 0, Cancel, Patience);
        await Until.TrueAsync("the other run continued", async () => (await RunAsync(it, other.Id)).DoneStep > StepKey.CheckOrder, Cancel, Patience);
        (await RunAsync(it, greedy.Id)).Message!.ShouldStartWith("The background worker ran out of memory in this step.");
        it.Jobs.MustRun();
        it.Jobs.Id.ShouldBe(jobs);
        it.Jobs.ResidentMost.ShouldBeLessThan(600L << 20);

        await it.Database.ExecuteAsync($"update portal.workspaces set parameters = jsonb_build_object() where id = {greedy.Id}", Cancel);
        foreach (var order in (LaunchRequest[])[other, greedy])
            await Until.TrueAsync("it is ready", async () => (await RunAsync(it, order.Id)).Phase == RunPhase.Succeeded, Cancel, Patience);
        it.Jobs.Id.ShouldBe(jobs);
    }

    private static async Task<Run> RunAsync(Installation it, Guid workspace)
    {
        await using var db = it.Database.Open();
        var run = await db.Runs.AsNoTracking().SingleAsync(r => r.WorkspaceId == workspace, Cancel);
        run.Phase.ShouldNotBe(RunPhase.Failed, run.Cause);
        return run;
    }
}
