using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>A student launches each cluster template, runs its own example, views the compute engine's own pages, and releases it.</summary>
public sealed class EngineJourneys(Site site)
{
    private const string Passed = "All checks passed";

    /// <param name="Code">What is computed after a stop and a start, on data that was kept.</param>
    /// <param name="Result">Its result.</param>
    /// <param name="Size">Size for the start after the stop; null for the same.</param>
    /// <param name="Set">Template settings to choose in the form.</param>
    private sealed record Engine(string Title, string Student, string Preset, string Main, string Example, string Code, string Result,
        string? Size = null, Func<Visit, LaunchPage, Task>? Set = null)
    {
        public string Id => Title.ToLowerInvariant();
        public string Name => $"{Title} journey";
    }

    [Fact]
    public Task Dask_FromCatalogueToDeleted_ComputesAndIsSeenLive() =>
        TravelAsync(new("Dask", "Ada Lovelace", "A lesson", "scheduler", "six-million-trips.ipynb",
            "from distributed import Client; sorted(Client().nthreads().values())", "[2, 2]", "m"), async (ada, page) =>
        {
            await LookAsync(ada, page);
            var dashboard = await page.OpenEngineAsync("Dashboard");
            await dashboard.FollowAsync("Workers", "dashboard");
            await Expect(dashboard.Text("worker1").First).ToBeVisibleAsync();
            await StrangerSeesNothingAsync(dashboard);
            await ResizeAsync(page, dashboard, 3, 2);
            await dashboard.CloseAsync();
        });

    [Fact, Trait("Lane", "long")]
    public Task Spark_FromCatalogueToDeleted_ComputesAndShowsItsApplication() =>
        TravelAsync(new("Spark", "Grace Hopper", "A lesson", "master", "six-million-trips.ipynb",
            "from pyspark.sql import SparkSession; s = SparkSession.builder.appName('kept').getOrCreate(); "
            + "(s.table('trips').count(), s.conf.get('spark.sql.adaptive.enabled'), s.conf.get('spark.sql.shuffle.partitions'))",
            "(6042000, 'false', '7')",
            Set: async (grace, form) =>
            {
                await Expect(form.Setting("Shuffle partitions")).ToHaveCountAsync(0);
                await form.SwitchAsync("Adaptive queries");
                await form.WriteAsync("Shuffle partitions", "7");
                await PageChecks.CheckEverywhereAsync(grace, "launch-settings");
            }), async (_, page) =>
        {
            var spark = await page.OpenEngineAsync("Spark");
            await Expect(spark.Heading("Spark Master at")).ToBeVisibleAsync();
            await spark.FollowAsync("app-", "spark");
            await Expect(spark.Heading("Application: six-million-trips")).ToBeVisibleAsync();
            await spark.FollowAsync("worker-", "spark");
            await Expect(spark.Heading("Spark Worker at")).ToBeVisibleAsync();
            await spark.CloseAsync();
        }, async (grace, page) =>
        {
            // An open session: the application's own pages, and what keeps the workspace running although no kernel computes.
            var spark = await page.OpenEngineAsync("Spark");
            await spark.FollowAsync("app-", "spark");
            await spark.FollowAsync("Application Detail UI", "spark");
            await Expect(spark.Heading("Spark Jobs")).ToBeVisibleAsync();
            await spark.FollowAsync("Executors", "spark");
            foreach (var node in (string[])["worker0", "worker1"]) await Expect(spark.Tab.GetByText($"{node}:").First).ToBeVisibleAsync();
            await spark.CloseAsync();
            await Expect(page.Count("Running applications")).ToHaveTextAsync("1", new() { Timeout = 60_000 });
            await Expect(grace.Page.GetByText("Kept running by: Running applications.")).ToBeVisibleAsync(new() { Timeout = 120_000 });
        });

    [Fact, Trait("Lane", "long")]
    public Task Hadoop_FromCatalogueToDeleted_ComputesAndLinksItsNodes() =>
        TravelAsync(new("Hadoop", "Alan Turing", "A lesson", "master", "six-million-trips.ipynb",
            "import subprocess; subprocess.run("
            + "\"hdfs dfs -cat 'examples-data/sums/part-*' | wc -l; hdfs dfs -stat '%r %o' 'examples-data/trips/part-*' | sort -u\", "
            + "shell=True, capture_output=True, text=True).stdout.split()",
            "['265', '2', '67108864']",
            Set: (_, form) => form.ChooseAsync("64 MiB")), async (_, page) =>
        {
            var hdfs = await page.OpenEngineAsync("HDFS");
            await Expect(hdfs.Heading("Overview")).ToBeVisibleAsync();
            await hdfs.Tab.GetByRole(AriaRole.Link, new() { Name = "Datanodes", Exact = true }).ClickAsync();
            foreach (var node in (string[])["worker0", "worker1"])
                await Expect(hdfs.Tab.GetByRole(AriaRole.Link, new() { Name = $"{node}:9864" })).ToBeVisibleAsync();
            await hdfs.FollowToAsync("http://worker0:9864", "datanode-0");
            await Expect(hdfs.Heading("DataNode on worker0")).ToBeVisibleAsync();
            await hdfs.CloseAsync();
            var yarn = await page.OpenEngineAsync("YARN");
            await Expect(yarn.Heading("All Applications")).ToBeVisibleAsync();
            await yarn.FollowAsync("Nodes", "yarn");
            await yarn.FollowToAsync("worker1:8042", "nodemanager-1");
            await Expect(yarn.Heading("NodeManager information")).ToBeVisibleAsync();
            await yarn.CloseAsync();
            var history = await page.OpenEngineAsync("Job history");
            await Expect(history.Tab.GetByText("sum-trips")).ToBeVisibleAsync();
            await history.CloseAsync();
            var manager = await page.OpenWorkerAsync("Node manager", "worker0");
            await Expect(manager.Heading("NodeManager information")).ToBeVisibleAsync();
            await manager.CloseAsync();
            var data = await page.OpenWorkerAsync("Data node", "worker1");
            await Expect(data.Heading("DataNode on worker1")).ToBeVisibleAsync();
            await data.CloseAsync();
        });

    [Fact]
    public Task Slurm_FromCatalogueToDeleted_ComputesAndShowsItsNodes() =>
        TravelAsync(new("Slurm", "Ada Lovelace", "A lesson", "controller", "six-million-trips.ipynb",
            "import subprocess; "
            + "[subprocess.run(['sbatch', '--output=/dev/null', *job], capture_output=True, text=True).stdout.strip() "
            + "for job in (['--wrap=sleep 240'], ['--wait', '--wrap=hostname'])]",
            "['Submitted batch job 2', 'Submitted batch job 3']"), async (_, page) =>
        {
            var queue = await page.OpenEngineAsync("Queue");
            foreach (var node in (string[])["worker0", "worker1"]) await Expect(queue.Text(node).First).ToBeVisibleAsync();
            await queue.CloseAsync();
        }, async (ada, page) =>
        {
            // The cell has ended, its batch job has not.
            await Expect(page.Count("Running jobs")).ToHaveTextAsync("1", new() { Timeout = 60_000 });
            await Expect(ada.Page.GetByText(new Regex(@"Kept running by: .*Running jobs\.", RegexOptions.None, TimeSpan.FromSeconds(1))))
                .ToBeVisibleAsync(new() { Timeout = 60_000 });
        });

    private async Task TravelAsync(Engine engine, Func<Visit, WorkspacePage, Task> look, Func<Visit, WorkspacePage, Task>? again = null)
    {
        await site.WaitForAsync(engine.Title);
        await using var visit = await site.VisitAsync(engine.Student);
        await new HomePage(visit).ClearAsync();

        var page = await LaunchAsync(visit, engine);
        await ComputeAsync(page, engine);
        await look(visit, page);
        await KeepAsync(visit, page, engine, again);
        await page.DeleteAsync(engine.Name);
        await page.WaitForStatusAsync("Deleted");

        visit.Complaints.ShouldBeEmpty();
    }

    private static async Task<WorkspacePage> LaunchAsync(Visit visit, Engine engine)
    {
        var form = await new CatalogPage(visit).ChooseAsync(engine.Title);
        await form.ChooseWorkersAsync(1);
        await form.TakePresetAsync(engine.Preset);
        await Expect(form.Receipt.GetByRole(AriaRole.Button)).ToHaveTextAsync($"Launch {engine.Title} with 2 workers");
        if (engine.Set is not null) await engine.Set(visit, form);
        await form.CallItAsync(engine.Name);
        var page = await form.LaunchAsync();
        await Expect(page.Steps).Not.ToHaveCountAsync(0);
        await page.WaitForStatusAsync("Ready");
        await Expect(page.Nodes).ToHaveCountAsync(1 + 4);
        foreach (var node in (string[])[engine.Main, "worker0", "worker1", "notebook"]) await Expect(page.Node(node)).ToContainTextAsync("Running");
        return page;
    }

    private static async Task ComputeAsync(WorkspacePage page, Engine engine)
    {
        var lab = await page.OpenLabAsync();
        await lab.ForgetLayoutAsync();
        await lab.OpenFileAsync("examples", engine.Id, engine.Example);
        var output = await lab.RunAllAsync(Passed, 300_000);
        output.ShouldContain(Passed);
        output.ShouldContain(engine.Title switch { "Slurm" => "on 2 nodes", "Dask" => "in parquet, 265 zones, 2 workers", _ => "2 workers" });
        await lab.Tab.CloseAsync();
    }

    /// <summary>Stopped and started again, in another size if requested: the compute engine works, and what it kept is there.</summary>
    private static async Task KeepAsync(Visit visit, WorkspacePage page, Engine engine, Func<Visit, WorkspacePage, Task>? again)
    {
        await page.StopAsync(engine.Name);
        await page.WaitForStatusAsync("Stopped");
        if (engine.Size is { } size) await page.StartInAsync(engine.Name, size, workers: 2);
        else await page.Action("Start").ClickAsync();
        await page.WaitForStatusAsync("Ready");
        var lab = await page.OpenLabAsync();
        await lab.ForgetLayoutAsync();
        await lab.NewNotebookAsync();
        await lab.ComputeAsync(engine.Code, engine.Result);
        if (again is not null) await again(visit, page);
        await lab.Tab.CloseAsync();
    }

    private static async Task LookAsync(Visit visit, WorkspacePage page)
    {
        await Expect(page.Count("Workers")).ToHaveTextAsync("2");
        await PageChecks.CheckEverywhereAsync(visit, "workspace-cluster");
        var dialog = await page.OpenResizeDialogAsync();
        await dialog.GetByRole(AriaRole.Spinbutton, new() { Name = "Workers" }).FillAsync("3");
        await Expect(dialog).ToContainTextAsync("It uses");
        await PageChecks.CheckEverywhereAsync(visit, "resize", "region");
        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(dialog).ToHaveCountAsync(0);
    }

    /// <summary>Another student with the page's address is redirected to the portal, which shows them nothing about it.</summary>
    private async Task StrangerSeesNothingAsync(EnginePage page)
    {
        await using var alan = await site.VisitAsync("Alan Turing");
        await alan.GoAsync(page.Tab.Url);
        new Uri(alan.Page.Url).Authority.ShouldBe(site.Address.Authority);
        await Expect(alan.Page.GetByRole(AriaRole.Heading, new() { Name = "This app does not exist, or it is not yours" })).ToBeVisibleAsync();
        await Expect(alan.Page.GetByText("worker1")).ToHaveCountAsync(0);
        await Expect(alan.Page.GetByRole(AriaRole.Button, new() { Name = "Open " })).ToHaveCountAsync(0);
    }

    /// <summary>Up and back down: the workspace, the compute engine's count and its own page, without a reload, all show it.</summary>
    private static async Task ResizeAsync(WorkspacePage page, EnginePage dashboard, int more, int before)
    {
        var added = dashboard.Text($"worker{more - 1}");
        await page.ResizeAsync(more);
        await Expect(added.First).ToBeVisibleAsync(new() { Timeout = 120_000 });
        await page.WaitForStatusAsync("Ready");
        await Expect(page.Nodes).ToHaveCountAsync(1 + 2 + more);
        await Expect(page.Count("Workers")).ToHaveTextAsync($"{more}", new() { Timeout = 120_000 });

        await page.ResizeAsync(before);
        await Expect(added).ToHaveCountAsync(0, new() { Timeout = 120_000 });
        await page.WaitForStatusAsync("Ready");
        await Expect(page.Nodes).ToHaveCountAsync(1 + 2 + before);
    }
}
