using System.Runtime.InteropServices;
using Portal.Benchmarks;
using Portal.Benchmarks.Figures;

// Portal.Benchmarks [--quick] [name…]: run by infra/bench. Prints one line per figure with its target; exits
// with 1 if one was missed, with 2 if something could not be measured or is unknown.
IReadOnlyList<Figure> usual =
    [new PickUp(), new Cancel(), new Launch(), new Page(), new Takeover(), new Idle(), new Burst(), new Follow(), new Crowd(), .. Engines.All];
IReadOnlyList<Figure> all = [.. usual, new OpenStack()]; // which needs an OpenStack, and is measured only when it is named
var quick = args.Contains("--quick");
var names = args.Where(a => a != "--quick").ToList();
if (names.Find(n => all.All(f => f.Name != n)) is { } unknown)
{
    await Console.Error.WriteLineAsync($"There is no figure {unknown}. Figures: {string.Join(' ', all.Select(f => f.Name))}.");
    return 2;
}

// An interrupted run still cleans up.
using var interrupt = new CancellationTokenSource();
void Interrupt(PosixSignalContext signal)
{
    signal.Cancel = true;
    interrupt.Cancel();
}
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
var report = new Report(Console.Out);
try
{
    await using var bench = await Bench.StartAsync(quick, report, interrupt.Token);
    foreach (var figure in names.Count == 0 ? usual : all.Where(f => names.Contains(f.Name, StringComparer.Ordinal)))
    {
        report.Begin(figure.Name);
        await figure.MeasureAsync(bench, interrupt.Token);
    }
}
catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
{
    return 130;
}
catch (Exception e)
    when (e is TimeoutException
        or InvalidOperationException
        or IOException
        or HttpRequestException
        or Npgsql.NpgsqlException
        or Microsoft.Playwright.PlaywrightException
        or Portal.Core.Clouds.CloudException
        or Portal.Jobs.Proofs.SmokeException)
{
    await Console.Error.WriteLineAsync($"Could not measure: {e.Message}");
    return 2;
}
return report.Missed == 0 ? 0 : 1;
