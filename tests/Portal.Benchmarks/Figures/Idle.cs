namespace Portal.Benchmarks.Figures;

/// <summary>Cost of an idle installation: statements per second, counted by the database, processor time of both processes and of the
/// database together, and memory of both processes; with no notebooks and with twenty.</summary>
internal sealed class Idle() : Figure("idle")
{
    private const double Statements = 10, Percent = 1; // with nothing running

    /// <summary>In seconds. What runs four times a minute has run thirty times by then, after which the runtime has compiled it for the last time.</summary>
    private const int Rest = 540;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        await MeasureAsync(bench, "with no notebooks", isIdle: true, cancel);
        await bench.TogetherAsync(cancel);
        await MeasureAsync(bench, $"with {Bench.Many} notebooks", isIdle: false, cancel);
    }

    private static async Task MeasureAsync(Bench bench, string when, bool isIdle, CancellationToken cancel)
    {
        await bench.SettledAsync(cancel);
        await Task.Delay(TimeSpan.FromSeconds(isIdle ? bench.Times(Rest, 15) : 15), TimeProvider.System, cancel);
        await using (var clear = bench.Command("create extension if not exists pg_stat_statements; select pg_stat_statements_reset()"))
            await clear.ExecuteNonQueryAsync(cancel);
        var statements = await StatementCounts.ReadAsync(bench.Rows, cancel);
        var (cpu, start) = (Processors(bench), TimeProvider.System.GetTimestamp());
        await Task.Delay(TimeSpan.FromSeconds(bench.Times(60, 10)), TimeProvider.System, cancel);
        var seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        var percent = Processors(bench).Zip(cpu, (after, before) => 100 * (after.Time - before.Time).TotalSeconds / seconds).ToList();
        var rates = (await StatementCounts.ReadAsync(bench.Rows, cancel)).Since(statements, seconds);
        bench.Report.Spread($"statements per second {when}", Series.Of(rates.Sum), "", isIdle ? Statements : null);
        bench.Report.Say("of them", $"{rates}");
        foreach (var one in await StatementCounts.MostAsync(bench.Rows, seconds, cancel)) bench.Report.Say("", one);
        bench.Report.Spread($"both processes and database, one core, {when}", Series.Of(percent.Sum()), "%", isIdle ? Percent : null);
        bench.Report.Say("of them", string.Join(", ", cpu.Zip(percent, (one, share) => $"{one.Name} {Report.N(share)}")));
        bench.Report.Say($"memory {when}", $"Jobs {Memory(bench.It.Jobs.Id)}; web {Memory(bench.It.Web.Id)}");
    }

    private static (string Name, TimeSpan Time)[] Processors(Bench bench) =>
        [("Jobs", ProcessorTime.Of(bench.It.Jobs.Id)), ("web", ProcessorTime.Of(bench.It.Web.Id)), ("database", ProcessorTime.OfDatabase())];

    private static string Memory(int process)
    {
        var kib = File.ReadLines($"/proc/{process}/smaps_rollup")
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(l => l[0] is "Rss:" or "Pss:")
            .ToDictionary(l => l[0], l => long.Parse(l[1], System.Globalization.CultureInfo.InvariantCulture), StringComparer.Ordinal);
        return $"RSS {kib["Rss:"] >> 10} MiB, PSS {kib["Pss:"] >> 10} MiB";
    }
}
