using Portal.TestKit.Clouds;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// Twenty students click together; the product decides how many start at once on this machine. Before that, in the same run, twenty of the same containers
/// by direct calls to the container engine, as many at a time, each until its first kernel answers. The notebooks stay until the run ends.
/// </summary>
internal sealed class Burst() : Figure("burst")
{
    private const double Allowed = 1.15;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await using var lab = CloudLab.Open();
        using var bare = await BareNotebook.PrepareAsync(lab, bench, cancel);
        await bare.RunAsync(cancel); // the first of its own lab
        var atOnce = await bench.ScalarAsync<int>("select launches_at_once from portal.clouds", cancel);
        var baseline = await bare.TogetherAsync(Bench.Many, atOnce, cancel);
        bench.Report.Spread($"baseline: {Bench.Many} by direct calls, {atOnce} at a time", baseline, "s");
        bench.Report.Begin(Name);
        var took = await bench.TogetherAsync(cancel);
        foreach (var (which, product, direct) in (ReadOnlySpan<(string, double, double)>)
            [("first", took.Min, baseline.Min), ("median", took.Median, baseline.Median), ("last", took.Max, baseline.Max)])
            bench.Report.Spread($"{Bench.Many} launches at once → Ready, {which}", Series.Of(product), "s", Allowed * direct,
                $"{Allowed} × {Report.N(direct)}");
    }
}
