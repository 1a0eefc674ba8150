namespace Portal.Benchmarks.Figures;

/// <summary>Twenty students click together; the product decides how many start at once on this machine. The notebooks stay until the run ends.</summary>
internal sealed class Burst() : Figure("burst")
{
    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        var took = await bench.TogetherAsync(cancel);
        bench.Report.Say($"{Bench.Many} launches at once → Ready",
            $"first {Report.N(took.Min)}  median {Report.N(took.Median)}  last {Report.N(took.Max)} s");
    }
}
