using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// Clusters of three workers: from the click to Ready and to the first result that workers computed, beside the same containers made by nothing but
/// the engine's calls, by turns in one run. Then eight launches of all kinds together. On an installation of its own, which offers every template.
/// </summary>
internal sealed class Engines() : Figure("engines")
{
    private const double Allowed = 1.1;
    private const int Workers = 3;
    private static readonly TimeSpan Images = TimeSpan.FromMinutes(15);

    /// <summary>The quickest spreads most, and is asked most often.</summary>
    private static readonly (string Template, int Times, (string Code, string Value)? Question)[] Measured =
    [
        ("dask", 9, ("from distributed import Client\nclient = Client()\nsum(client.gather(client.map(lambda n: n * n, range(300))))", "8955050")),
        ("spark", 5, ("from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().range(0, 6000000, 1, 12).selectExpr('sum(id)').first()[0]", "17999997000000")),
        ("hadoop", 5, null),
    ];

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await using var own = await Bench.StartAsync(bench.Quick, bench.Report, cancel, ("Catalog:Templates", Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates")));
        await Until.TrueAsync("every image is made", async () => await own.ScalarAsync<long>("select count(*) from portal.images where state = 'Ready' and name in ('python', 'spark', 'hadoop')", cancel) == 3, cancel, Images);
        foreach (var (template, times, question) in Measured) await MeasureAsync(own, template, own.Times(times, 2), question, cancel);
        await TogetherAsync(own, cancel);
    }

    private async Task MeasureAsync(Bench bench, string template, int times, (string Code, string Value)? question, CancellationToken cancel)
    {
        await using var lab = CloudLab.Open();
        var spec = await bench.SpecAsync(template, cancel);
        var (ready, results, bareReady, bareResults) = (new Series(), new Series(), new Series(), new Series());
        bench.Report.Begin(Name);
        var since = Bench.Now;
        for (var i = -1; i < times; i++)
        {
            var click = Bench.Now;
            var id = await bench.OrderAsync(template, Workers, cancel);
            var isReady = (await bench.EndedAsync(id, cancel) - click).TotalSeconds;
            // What the bare cluster is to be like is asked of the engine here; a student does not wait for it.
            var aside = TimeProvider.System.GetTimestamp();
            var nodes = await BareCluster.OfAsync(bench.It.Lab, id, cancel);
            var asked = TimeProvider.System.GetElapsedTime(aside);
            if (question is { } q)
            {
                using var door = new NotebookDoor(BareCluster.TokenOf(spec, nodes));
                await door.ComputesAsync(BareCluster.AddressOf(nodes.Single(n => n.Config!.Hostname == BareCluster.NotebookOf(spec).Name)), q.Code, q.Value, cancel);
            }
            var hasResult = (Bench.Now - click - asked).TotalSeconds;
            await bench.DeleteAsync(id, cancel);
            var bare = await new BareCluster(lab, spec, nodes).RunAsync(question, cancel);
            if (i < 0) continue; // the first of each is slower than any other
            ready.Add(isReady);
            bareReady.Add(bare.Ready.TotalSeconds);
            if (bare.Result is not { } result) continue;
            results.Add(hasResult);
            bareResults.Add(result.TotalSeconds);
        }
        bench.Report.Spread($"{template}, bare: workers registered, apps answer, a kernel computes", bareReady, "s");
        bench.Report.Spread($"{template}, {Workers} workers: click → Ready", ready, "s", Allowed * bareReady.Median, $"{Allowed} × {Report.N(bareReady.Median)}");
        await bench.SayStepsAsync(template, since, cancel);
        if (results.Count == 0) return;
        bench.Report.Spread($"{template}, bare: first distributed result", bareResults, "s");
        bench.Report.Spread($"{template}, {Workers} workers: click → first result", results, "s", Allowed * bareResults.Median, $"{Allowed} × {Report.N(bareResults.Median)}");
    }

    private async Task TogetherAsync(Bench bench, CancellationToken cancel)
    {
        bench.Report.Begin(Name);
        var began = Bench.Now;
        var orders = new List<Guid>();
        foreach (var template in (string[])["notebook", "dask", "spark", "hadoop", "notebook", "dask", "spark", "slurm"]) orders.Add(await bench.OrderAsync(template, null, cancel));
        var took = new Series();
        foreach (var id in orders) took.Add((await bench.EndedAsync(id, cancel) - began).TotalSeconds);
        bench.Report.Spread("eight mixed launches: first, middle, last", took, "s");
        foreach (var id in orders) await bench.DeleteAsync(id, cancel);
    }
}
