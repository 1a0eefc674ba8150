using Portal.TestKit.Clouds;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// From the click to Ready, against the minimum that the same container needs: direct calls to the container engine, the first answer of the notebook and then
/// a first kernel. Both alternate in one run, so that the machine is equally busy for both.
/// </summary>
internal sealed class Launch() : Figure("launch")
{
    private const double Allowed = 1.15;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await using var lab = CloudLab.Open();
        using var bare = await BareNotebook.PrepareAsync(lab, bench, cancel);
        await bare.RunAsync(cancel); // the first of its own lab
        var (product, answers, kernels) = (new Series(), new Series(), new Series());
        var since = Bench.Now;
        for (var i = 0; i < bench.Times(20, 3); i++)
        {
            if (i % 2 == 0) product.Add(await ProductAsync(bench, cancel));
            var (answer, kernel) = await bare.RunAsync(cancel);
            answers.Add(answer.TotalSeconds);
            kernels.Add(kernel.TotalSeconds);
            if (i % 2 == 1) product.Add(await ProductAsync(bench, cancel));
        }
        bench.Report.Spread("baseline: direct calls, first HTTP 200", answers, "s");
        bench.Report.Spread("baseline: then a first kernel computes", kernels, "s");
        bench.Report.Spread("click → Ready", product, "s", Allowed * answers.Median + kernels.Median,
            $"{Allowed} × {Report.N(answers.Median)} + {Report.N(kernels.Median)}");
        await bench.SayStepsAsync("notebook", since, cancel);
    }

    private static async Task<double> ProductAsync(Bench bench, CancellationToken cancel)
    {
        var click = Bench.Now;
        var id = await bench.OrderAsync(cancel);
        var took = (await bench.EndedAsync(id, cancel) - click).TotalSeconds;
        await bench.DeleteAsync(id, cancel);
        return took;
    }
}
