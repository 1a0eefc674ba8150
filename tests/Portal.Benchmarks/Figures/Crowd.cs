namespace Portal.Benchmarks.Figures;

/// <summary>
/// Three hundred people watch pages, fifty apps are open: statements per second while a thousand workspaces run, against those while a hundred do,
/// of which the same are watched. On an installation of its own with scripted clouds: see <see cref="CrowdSite"/>.
/// </summary>
internal sealed class Crowd() : Figure("crowd")
{
    private const double Allowed = 1.2;
    private const int Few = 100, Pages = 250, Homes = 49, Apps = 50;
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(30);

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        var many = bench.Times(1000, 300);
        await using var site = await CrowdSite.StartAsync(many, cancel);
        var first = await site.LaunchAsync(0, Few, ofFirstStudent: Apps, cancel);
        await site.WatchAsync(first, Pages, Homes, cancel);
        await site.OpenAsync(first.Take(Apps), cancel);
        var before = await MeasureAsync(bench, site, Few, cancel);
        await site.LaunchAsync(Few, many, ofFirstStudent: Apps, cancel);
        var after = await MeasureAsync(bench, site, many, cancel);
        bench.Report.Spread($"statements with {many} ÷ with {Few}", Series.Of(after / before), "", Allowed);
    }

    private static async Task<double> MeasureAsync(Bench bench, CrowdSite site, int workspaces, CancellationToken cancel)
    {
        bench.Report.Begin("crowd");
        await Task.Delay(Rest, TimeProvider.System, cancel);
        var (before, start) = (await StatementCounts.ReadAsync(site.Rows, cancel), TimeProvider.System.GetTimestamp());
        await Task.Delay(TimeSpan.FromSeconds(bench.Times(120, 20)), TimeProvider.System, cancel);
        var seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        var rates = (await StatementCounts.ReadAsync(site.Rows, cancel)).Since(before, seconds);
        bench.Report.Say($"statements per second with {workspaces} workspaces", $"{Report.N(rates.Sum)}: {rates}");
        return rates.Sum;
    }
}
