using Portal.Jobs.Clouds;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Reads health and usage of every pool every ten seconds, each pool on its own. That is too often for Hangfire, in which each job costs some forty
/// statements: see decision record 001.
/// </summary>
public sealed class UsageLoop(Sweeps sweeps, CloudKits kits, TimeProvider clock, ILogger<UsageLoop> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => kits.EachAsync(kit => RunAsync(kit, stoppingToken));

    private async Task RunAsync(CloudKit kit, CancellationToken stopping)
    {
        using var tick = new PeriodicTimer(Every, clock);
        try
        {
            while (await tick.WaitForNextTickAsync(stopping))
            {
                try { await sweeps.UsageAsync(kit, stopping); }
                catch (Exception e) when (!stopping.IsCancellationRequested)
                {
                    log.LogWarning("Health and usage of pool {Pool} could not be recorded, retrying in {Wait}: {Error}", kit.Key, Every, e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested) { }
    }
}
