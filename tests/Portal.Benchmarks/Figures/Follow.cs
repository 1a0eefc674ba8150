using Portal.Core.Workspaces;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// Cost of watching many nodes: calls to the container engine per second, counted on the connection, and CPU time of Jobs, with none and with a hundred
/// workspaces of five sleeping nodes. Then the time from the death of one of them to its row. On its own installation.
/// </summary>
internal sealed class Follow() : Figure("follow")
{
    private const int Workers = 4;
    private const double Allowed = 5; // calls per second: none may grow with the number of nodes
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(20);

    private const string Sleepers = """
        id: sleepers
        title: Sleepers
        promise: Nodes that do nothing.
        engine: Sleepers
        version: "1"
        sizes:
          - { id: s, title: Small, description: Nothing., vcpu: 1, memoryMib: 256 }
        roles:
          - { name: first, image: python, command: [sleep, infinity] }
          - name: worker
            image: python
            command: [sleep, infinity]
            workers: { min: 1, max: 8, default: 4 }
        apps: []
        """;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await using var relay = SocketRelay.Start(CloudLab.Variable("PORTAL_TEST_CONTAINER_ENGINE"));
        var templates = Directory.CreateTempSubdirectory("portal-bench-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(templates, "sleepers"));
            await File.WriteAllTextAsync(Path.Combine(templates, "sleepers", "template.yaml"), Sleepers, cancel);
            Directory.CreateDirectory(Path.Combine(templates, "notebook"));
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates", "notebook", "template.yaml"),
                Path.Combine(templates, "notebook", "template.yaml"));
            await using var own = await Bench.StartAsync(bench.Quick, bench.Report, cancel,
                ("Catalog:Templates", templates), ("Clouds:Docker:Socket", relay.Path), ("Site:Capacity:Vcpu", "1000"));
            await MeasureAsync(own, relay, "with no workspaces", cancel);
            var many = own.Times(100, 10);
            for (var i = 0; i < many; i++)
            {
                var order = own.It.Site.Order(own.It.Site.Students[i % Bench.Many], own.NewName()) with { TemplateId = "sleepers", Workers = Workers };
                if (await own.It.Site.Get<LaunchWorkspace>().RunAsync(order, cancel) is not LaunchOutcome.Accepted)
                    throw new InvalidOperationException("An order was not accepted.");
            }
            await own.SettledAsync(cancel);
            if (await own.ScalarAsync<long>("select count(*) from portal.nodes where running", cancel) is var run && run != many * (Workers + 1))
                throw new InvalidOperationException($"{run} nodes are running.");
            await MeasureAsync(own, relay, $"with {many} workspaces of {Workers + 1} nodes", cancel);
            await DeathAsync(own, cancel);
        }
        finally
        {
            Directory.Delete(templates, recursive: true);
        }
    }

    private static async Task MeasureAsync(Bench bench, SocketRelay relay, string when, CancellationToken cancel)
    {
        await bench.SettledAsync(cancel);
        await Task.Delay(Rest, TimeProvider.System, cancel);
        var (calls, cpu, start) = (relay.Calls, ProcessorTime.Of(bench.It.Jobs.Id), TimeProvider.System.GetTimestamp());
        await Task.Delay(TimeSpan.FromSeconds(bench.Times(60, 15)), TimeProvider.System, cancel);
        var seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        bench.Report.Spread($"container engine calls per second {when}", Series.Of((relay.Calls - calls) / seconds), "", Allowed);
        bench.Report.Say($"CPU of Jobs {when}", $"{Report.N(100 * (ProcessorTime.Of(bench.It.Jobs.Id) - cpu).TotalSeconds / seconds)} % of one core");
    }

    /// <summary>Kills one node among all: until its row says that it is not running.</summary>
    private static async Task DeathAsync(Bench bench, CancellationToken cancel)
    {
        var took = new Series();
        for (var i = 0; i < bench.Times(20, 3); i++)
        {
            var id = await bench.ScalarAsync<Guid>("select workspace_id from portal.nodes where running and name = 'first' order by random() limit 1", cancel);
            var container = (await bench.It.Lab.ContainerEngine.ListAsync(bench.It.Lab.Owned.Mine(id), cancel))
                .Single(c => c.Names!.Any(n => n.EndsWith("first", StringComparison.Ordinal)));
            var start = TimeProvider.System.GetTimestamp();
            await bench.It.Lab.ContainerEngine.CallAsync(e => e.Containers.KillContainerAsync(container.ID, new() { Signal = "KILL" }, cancel), cancel);
            while (await bench.ScalarAsync<bool>("select running from portal.nodes where workspace_id = $1 and name = 'first'", cancel, id))
                await Task.Delay(5, cancel);
            took.Add(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds);
        }
        bench.Report.Spread("one of their nodes killed → its row", took, "ms");
    }
}
