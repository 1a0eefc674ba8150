using Portal.Jobs.Clouds;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Sweeps that run four times a minute: health and usage of every pool, each pool on its own, and end times. That is too often for Hangfire, in which each
/// job costs some forty statements: see decision record 001.
/// </summary>
public sealed class FrequentSweeps(Sweeps sweeps, CloudKits kits, TimeProvider clock, ILogger<FrequentSweeps> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(15);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync("workspaces at their end time", sweeps.EndTimesAsync, stoppingToken),
        kits.EachAsync(kit => RepeatAsync($"health and usage of pool {kit.Key}", cancel => sweeps.UsageAsync(kit, cancel), stoppingToken)));

    private async Task RepeatAsync(string name, Func<CancellationToken, Task> sweep, CancellationToken stopping)
    {
        using var tick = new PeriodicTimer(Every, clock);
        try
        {
            while (await tick.WaitForNextTickAsync(stopping))
            {
                try { await sweep(stopping); }
                catch (Exception e) when (e is not OperationCanceledException || !stopping.IsCancellationRequested)
                {
                    log.LogWarning("The sweep of {Name} failed, retrying in {Wait}: {Error}", name, Every, e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested) { }
    }
}
