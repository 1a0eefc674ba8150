using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// A cluster of three workers: from the click to Ready and to the first result computed by workers, against the same containers made by direct calls to
/// the container engine, alternating in one run. On its own installation, which offers every template.
/// </summary>
/// <param name="template">Also the figure's name.</param>
/// <param name="times">Number of pairs: the fastest compute engine varies most and is measured most often.</param>
/// <param name="code">What a kernel evaluates, and <paramref name="value"/> its result.</param>
internal sealed class Engines(string template, int times, string code, string value) : Figure(template)
{
    private const double Allowed = 1.1;
    private const int Workers = 3;
    private const string SumInSpark =
        "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().range(0, 6000000, 1, 12).selectExpr('sum(id)').first()[0]",
        Sum = "17999997000000";

    public static IEnumerable<Figure> All { get; } =
    [
        new Engines("dask", 9, "from distributed import Client\nclient = Client()\nsum(client.gather(client.map(lambda n: n * n, range(300))))", "8955050"),
        new Engines("spark", 5, SumInSpark, Sum),
        new Engines("hadoop", 4, SumInSpark, Sum), // on YARN
        new Mixed(),
    ];

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await using var own = await WithEveryTemplateAsync(bench, cancel);
        bench.Report.Begin(Name);
        await CompareAsync(own, cancel);
    }

    /// <summary>Its own installation, with all images built.</summary>
    internal static async Task<Bench> WithEveryTemplateAsync(Bench bench, CancellationToken cancel)
    {
        var own = await Bench.StartAsync(bench.Quick, bench.Report, cancel,
            ("Catalog:Templates", Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates")));
        await Until.TrueAsync("every image is built",
            async () => await own.ScalarAsync<long>(
                "select count(*) from portal.images where state = 'Ready' and name in ('python', 'spark', 'hadoop')", cancel) == 3, cancel,
            TimeSpan.FromMinutes(15));
        return own;
    }

    private async Task CompareAsync(Bench bench, CancellationToken cancel)
    {
        await using var lab = CloudLab.Open();
        var spec = await bench.SpecAsync(Name, cancel);
        var (ready, results, bareReady, bareResults) = (new Series(), new Series(), new Series(), new Series());
        var since = Bench.Now;
        for (var i = -1; i < bench.Times(times, 2); i++)
        {
            var click = Bench.Now;
            var id = await bench.OrderAsync(Name, Workers, cancel);
            var isReady = (await bench.EndedAsync(id, cancel) - click).TotalSeconds;
            // The container engine is asked here how the baseline must be created; a student does not wait for that.
            var aside = TimeProvider.System.GetTimestamp();
            var nodes = await BareCluster.OfAsync(bench.It.Lab, id, cancel);
            var asked = TimeProvider.System.GetElapsedTime(aside);
            using (var client = new NotebookClient(BareCluster.TokenOf(spec, nodes)))
                await client.ComputesAsync(BareCluster.AddressOf(nodes.Single(n => n.Config!.Hostname == BareCluster.NotebookOf(spec).Name)), code,
                    value, cancel);
            var hasResult = (Bench.Now - click - asked).TotalSeconds;
            await bench.DeleteAsync(id, cancel);
            var bare = await new BareCluster(lab, spec, nodes).RunAsync(code, value, cancel);
            if (i < 0) continue; // the first of each is slower than any other
            ready.Add(isReady);
            bareReady.Add(bare.Ready.TotalSeconds);
            results.Add(hasResult);
            bareResults.Add(bare.Result.TotalSeconds);
        }
        bench.Report.Spread("baseline: registered, apps answer, kernel", bareReady, "s");
        bench.Report.Spread($"{Workers} workers: click → Ready", ready, "s", Allowed * bareReady.Median, $"{Allowed} × {Report.N(bareReady.Median)}");
        await bench.SayStepsAsync(Name, since, cancel);
        bench.Report.Spread("baseline: first distributed result", bareResults, "s");
        bench.Report.Spread($"{Workers} workers: click → first result", results, "s", Allowed * bareResults.Median,
            $"{Allowed} × {Report.N(bareResults.Median)}");
    }
}
