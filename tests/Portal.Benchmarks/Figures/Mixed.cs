namespace Portal.Benchmarks.Figures;

/// <summary>Eight launches of all kinds, of their default sizes, ordered together.</summary>
internal sealed class Mixed() : Figure("mixed")
{
    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await using var own = await Engines.WithEveryTemplateAsync(bench, cancel);
        bench.Report.Begin(Name);
        var began = Bench.Now;
        var orders = new List<Guid>();
        foreach (var template in (string[])["notebook", "dask", "spark", "hadoop", "notebook", "dask", "spark", "slurm"])
            orders.Add(await own.OrderAsync(template, null, cancel));
        var took = new Series();
        foreach (var id in orders) took.Add((await own.EndedAsync(id, cancel) - began).TotalSeconds);
        bench.Report.Spread("eight mixed launches: first, median, last", took, "s");
        foreach (var id in orders) await own.DeleteAsync(id, cancel);
    }
}
