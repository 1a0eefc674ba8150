using Portal.TestKit.Clouds;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// A notebook on a server of its own: from the click to Ready, against a bare client that makes the same rule, the same stack and the same container, and
/// waits until a first kernel computes. Both have the work folder already; the rule counts for both. They take turns, each going first in every other pair.
/// Removing is not counted. On its own installation, whose tenant is on a pool of the OpenStack that PORTAL_TEST_OPENSTACK names.
/// </summary>
internal sealed class OpenStack() : Figure("openstack")
{
    private const double Allowed = 1.1, AllowedSeconds = 1;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        var keys = Directory.CreateTempSubdirectory("portal-keys").FullName;
        try { await MeasureAsync(bench, Path.Combine(keys, "product"), Path.Combine(keys, "bare"), cancel); }
        finally { Directory.Delete(keys, recursive: true); }
    }

    private static async Task MeasureAsync(Bench bench, string keys, string bareKeys, CancellationToken cancel)
    {
        await using var bare = OpenStackProject.Open(CloudLab.NewId(), bareKeys, half: 1);
        string? installation = null;
        try
        {
            await using var own = await Bench.StartOnAsync(OpenStackProject.Key, bench.Quick, bench.Report, i => installation = i, cancel,
                OpenStackProject.Settings(keys, half: 0));
            bench.Report.Begin("openstack");
            await CompareAsync(own, bare, cancel);
        }
        finally
        {
            await bare.RemoveAllAsync();
            if (installation is { } id)
            {
                await using var product = OpenStackProject.Open(id, keys, half: 0);
                await product.RemoveAllAsync();
            }
        }
    }

    private static async Task CompareAsync(Bench bench, OpenStackProject project, CancellationToken cancel)
    {
        using var bare = await BareServer.PrepareAsync(project, bench, cancel);
        await bare.RunAsync(cancel); // the first is slower; the product's first one was at the start of the installation
        var (product, rules, stacks, kernels) = (new Series(), new Series(), new Series(), new Series());
        var since = Bench.Now;
        for (var i = 0; i < bench.Times(7, 2); i++)
        {
            if (i % 2 == 0) product.Add(await ProductAsync(bench, cancel));
            var times = await bare.RunAsync(cancel);
            rules.Add(times.Rule);
            stacks.Add(times.Stack);
            kernels.Add(times.Kernel);
            if (i % 2 == 1) product.Add(await ProductAsync(bench, cancel));
        }
        bench.Report.Spread("baseline: the rule is active", rules, "s");
        bench.Report.Spread("baseline: then the stack is complete", stacks, "s");
        bench.Report.Spread("baseline: then a first kernel computes", kernels, "s");
        bench.Report.Spread("click → Ready", product, "s", Allowed * kernels.Median + AllowedSeconds,
            $"{Allowed} × {Report.N(kernels.Median)} + {AllowedSeconds}");
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
