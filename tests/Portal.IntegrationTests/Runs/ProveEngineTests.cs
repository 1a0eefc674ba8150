using System.Net;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Metrics;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>A template's health conditions for its compute engine must hold before anything is Ready; the test plays the compute engine.</summary>
public sealed class ProveEngineTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, false, "Job history is not responding yet.")]
    [InlineData(false, true, "Workers registered: 1 of 2.")]
    public async Task Launch_EngineIsNeverComplete_FailsWithWhatIsMissing(bool appIsUnavailable, bool workerIsUnavailable, string missing)
    {
        await using var engine = await FakeNotebook.StartAsync();
        engine.Tasks = workerIsUnavailable ? """{"running": 1}""" : """{"running": 2}""";
        await using var it = await Site.CreateAsync(engine, history: appIsUnavailable ? "/not-there" : "/tasks", TimeSpan.FromSeconds(1));
        await it.LaunchAsync();

        await it.Jobs.UntilSettledAsync(Cancel);

        var run = await it.RunAsync();
        (run.Phase, run.FailedStep).ShouldBe((RunPhase.Failed, StepKey.ProveEngine));
        run.Cause!.ShouldEndWith(missing);
    }

    [Fact]
    public async Task Launch_EngineComesLate_IsAskedOftenAndItsContainersSeldom()
    {
        await using var engine = await FakeNotebook.StartAsync();
        (engine.Tasks, engine.Status) = ("""{"running": 2}""", 503);
        await using var it = await Site.CreateAsync(engine, history: "/tasks", TimeSpan.FromMinutes(1));
        await it.LaunchAsync();
        var settled = it.Jobs.UntilSettledAsync(Cancel);
        await Until.TrueAsync("the engine is asked", () => Task.FromResult(engine.Requests > 0), Cancel);
        var (asked, looks) = (engine.Requests, it.Clouds.Looks);

        await Until.TrueAsync("the container engine is asked sixty times", () => Task.FromResult(engine.Requests >= asked + 60), Cancel);
        var seen = it.Clouds.Looks - looks;
        engine.Status = 200;
        await settled;

        (await it.RunAsync()).Phase.ShouldBe(RunPhase.Succeeded);
        seen.ShouldBeInRange(1, 15, "a dead node is detected, at a quarter of the cost at most");
    }

    /// <summary>Where a node's host publishes its ports, the portal connects there, not to the node's own address.</summary>
    [Fact]
    public async Task Launch_PortsAreMapped_AsksThereAndKeepsItInRows()
    {
        await using var engine = await FakeNotebook.StartAsync();
        engine.Tasks = """{"running": 2}""";
        await using var it = await Site.CreateAsync(engine, history: "/tasks", TimeSpan.FromSeconds(5), port: 4040);
        it.Clouds.Address = "192.0.2.1"; // nobody is there
        it.Clouds.MappedPorts = [new(4040, new(IPAddress.Loopback, engine.Port))];
        await it.LaunchAsync();

        await it.Jobs.UntilSettledAsync(Cancel);

        (await it.RunAsync()).Phase.ShouldBe(RunPhase.Succeeded);
        var nodes = await it.NodesAsync();
        nodes.Select(n => n.EndPointOf(4040)).ShouldAllBe(at => at!.Equals(new IPEndPoint(IPAddress.Loopback, engine.Port)));
        nodes.Select(n => n.EndPointOf(8888)).ShouldAllBe(at => at!.Equals(IPEndPoint.Parse("192.0.2.1:8888")), "a port without a mapping");
    }

    /// <summary>A cluster of two workers with the fake compute engine.</summary>
    private sealed class Site(TestDatabase database, TestSite site, ScriptedClouds clouds) : IAsyncDisposable
    {
        public ScriptedClouds Clouds => clouds;

        public JobsProcess Jobs { get; } = site.Process(clouds, TimeSpan.FromMinutes(1));

        public static async Task<Site> CreateAsync(FakeNotebook engine, string history, TimeSpan deadline, int? port = null)
        {
            var database = await TestDatabase.CreateAsync(Cancel);
            var site = await TestSite.CreateAsync(database, 1, new(1000, 1_000_000, 1000, 100), Cancel);
            var (notebook, worker) = (TestSite.Cluster.Roles[0], TestSite.Cluster.Roles[1]);
            await site.PublishAsync(TestSite.Cluster with
            {
                Roles = [notebook, worker with { Registered = [new("workers", "Workers registered", "notebook", port ?? engine.Port, "/tasks", "running")] }],
                Apps = [.. TestSite.Cluster.Apps, new("history", "Job history", "", "notebook", port ?? engine.Port, "/", Kernels: false) { Health = history }],
            }, Cancel);
            var clouds = new ScriptedClouds((_, _) => Mood.Well) { Address = "127.0.0.1" };
            clouds.Times = clouds.Times with { Prove = deadline };
            return new(database, site, clouds);
        }

        public async Task LaunchAsync() =>
            (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]) with { TemplateId = "cluster", Workers = 2 }, Cancel))
                .ShouldBeOfType<LaunchOutcome.Accepted>();

        public async Task<Run> RunAsync()
        {
            await using var db = database.Open();
            return await db.Runs.AsNoTracking().SingleAsync(Cancel);
        }

        public async Task<List<NodeRow>> NodesAsync()
        {
            await using var db = database.Open();
            return await db.Nodes.AsNoTracking().ToListAsync(Cancel);
        }

        public async ValueTask DisposeAsync()
        {
            await Jobs.DisposeAsync();
            await site.DisposeAsync();
            await database.DisposeAsync();
        }
    }
}
