using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

public sealed class CrashSite : IAsyncLifetime
{
    public Installation It { get; private set; } = null!;

    public async ValueTask InitializeAsync() => It = await Installation.StartAsync(students: 8, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (It is not null) await It.DisposeAsync();
    }
}

/// <summary>
/// Web and Jobs killed as child processes, on the real container engine, after each saved step and at random; stopped past their lease and woken. After
/// each: the workspace is Ready or released, there are no orphans and no duplicates.
/// </summary>
public sealed class CrashTests(CrashSite site, ITestOutputHelper output) : CrashSample(site, output), IClassFixture<CrashSite>
{
    private const int InCi = 6, InLong = 200;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public Task Kill_SampleOfPlansStepsAndProcesses_EndsReadyOrReleased() => KillAsync(KillPoints(InCi, seed: 4), seed: 4);

    [Fact, Trait("Lane", "long")]
    public Task Kill_EveryPlanStepAndProcess_EndsReadyOrReleased() => KillAsync(KillPoints(InLong, seed: 40), seed: 40);

    /// <summary>Stopped while holding a lease, overtaken, woken: whatever it still does with that lease changes nothing.</summary>
    [Theory]
    [InlineData(StepKey.EnsureAccess)]
    [InlineData(StepKey.EnsureCluster)]
    public async Task Pause_HoldingALease_TheWokenProcessChangesNothingAndWorksOn(StepKey after)
    {
        var owner = It.Site.Students[0];
        var order = It.Site.Order(owner);
        await BeginAsync(RunKind.Launch, owner, order);
        await SavedAsync(order.Id, RunKind.Launch, after);
        await PauseAsync(holdingLeaseOf: order.Id);
        await It.Site.Get<DeleteWorkspace>().RunAsync(new(owner), order.Id, Cancel);
        await SettleAsync();
        await CheckAsync();
    }

    /// <summary>Every (plan, step, process) first; the rest of the number at random moments, some of them pauses and database kills.</summary>
    private static IEnumerable<KillPoint> KillPoints(int number, int seed)
    {
        var random = new Random(seed);
        // A Resize needs workers: ClusterCrashTests and EngineCrashTests kill in its middle.
        var plans = Enum.GetValues<RunKind>().Where(k => k is not RunKind.Resize).ToArray();
        var all = (from plan in plans from step in PlanSteps.Of(plan, false) from victim in (string[])["jobs", "web"] select new KillPoint(plan, step, victim))
            .ToList();
        var special = (string[])["pause", "jobs", "web", "jobs"];
        var chosen = number >= all.Count * 2 ? all : [.. all.OrderBy(_ => random.Next()).Take(number * 3 / 5)];
        return chosen.Concat(
            Enumerable.Range(0, number - chosen.Count).Select(i => new KillPoint(plans[random.Next(plans.Length)], null, special[i % special.Length])));
    }
}

/// <summary>The same with the database that all tests share, so no other test runs beside these.</summary>
[Collection(nameof(Alone))]
public sealed class DatabaseCrashTests(CrashSite site, ITestOutputHelper output) : CrashSample(site, output), IClassFixture<CrashSite>
{
    [Fact]
    public Task KillDatabase_InALaunch_EndsReadyOrReleased() => KillAsync(KillPoints(1), seed: 4);

    // A database that dies more than once a minute is restarted later and later.
    [Fact, Trait("Lane", "long")]
    public Task KillDatabase_InEveryPlan_EndsReadyOrReleased() => KillAsync(KillPoints(16), seed: 40);

    private static IEnumerable<KillPoint> KillPoints(int number)
    {
        var plans = (RunKind[])[RunKind.Launch, RunKind.Stop, RunKind.Start, RunKind.Delete];
        return Enumerable.Range(0, number).Select(i => new KillPoint(plans[i % plans.Length], null, "database"));
    }
}
