using System.Security.Cryptography;
using System.Text;
using Hangfire;
using Npgsql;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Sweeps;

/// <summary>Scheduled work. Hangfire creates one job per tick for the whole installation; the next tick makes up for one that fails. Each sweep may run
/// twice.</summary>
[Queue(Sweeps.Queue), AutomaticRetry(Attempts = 0)]
public sealed class Sweeps(NpgsqlDataSource data, EndTimes ends, Orphans orphans, Usage usage, Retention retention, Rollup rollup, Idle idle,
    CloudKits kits, TimeProvider clock)
{
    public const string Queue = "sweeps";

    /// <summary>Workspaces at their end time: not a job of Hangfire, see <see cref="FrequentSweeps"/>.</summary>
    internal Task EndTimesAsync(CancellationToken cancel) => AloneAsync(7411, ends.RunAsync, cancel);

    [JobDisplayName("sweep: orphans")]
    public Task OrphansAsync(CancellationToken cancel) => InEachPoolAsync(7412, orphans.RunAsync, cancel);

    [JobDisplayName("sweep: expired rows")]
    public Task RetentionAsync(CancellationToken cancel) => AloneAsync(7414, retention.RunAsync, cancel);

    [JobDisplayName("sweep: roll up and expire metrics")]
    public Task MetricsAsync(CancellationToken cancel) => AloneAsync(7415, rollup.RunAsync, cancel);

    [JobDisplayName("sweep: idle workspaces")]
    public Task IdleAsync(CancellationToken cancel) => AloneAsync(7416, idle.RunAsync, cancel);

    /// <summary>Health and usage of a pool: not a job of Hangfire, see <see cref="FrequentSweeps"/>.</summary>
    internal Task UsageAsync(CloudKit kit, CancellationToken cancel) => AloneAsync(LockOf(7413, kit), c => usage.RunAsync(kit, c), cancel);

    /// <summary>Under a lock for each pool: while one is slow, which may be as long as its calls may take, the next ticks still sweep the others.</summary>
    private Task InEachPoolAsync(int name, Func<CloudKit, CancellationToken, Task> sweep, CancellationToken cancel) =>
        kits.EachAsync(kit => AloneAsync(LockOf(name, kit), c => sweep(kit, c), cancel));

    /// <summary>The same in every process.</summary>
    private static long LockOf(int name, CloudKit kit) => BitConverter.ToInt64(SHA256.HashData(Encoding.UTF8.GetBytes($"{name} {kit.Key}")));

    /// <summary>Not Hangfire's lock, whose row is never renewed. This one ends with its transaction: a session
    /// lock would live on in the pool, and others would skip their sweeps.</summary>
    private async Task AloneAsync(long name, Func<CancellationToken, Task> sweep, CancellationToken cancel)
    {
        await using var alone = await LongLock.TryAsync(data, name, clock, cancel);
        if (alone is null) return;
        try { await sweep(alone.Token); }
        // this process froze, or the database restarted: the new holder of the lock sweeps
        catch (OperationCanceledException) when (alone.Token.IsCancellationRequested && !cancel.IsCancellationRequested) { }
    }
}

/// <summary>
/// Registers the recurring jobs at start and removes obsolete ones. The ids are fixed, so many processes may do it. In the background, because
/// a kill inside one of Hangfire's locks leaves its row for half a minute, and no run may wait for that.
/// </summary>
public sealed class Schedule(IRecurringJobManagerV2 recurring, JobStorage storage, TimeProvider clock, ILogger<Schedule> log) : BackgroundService
{
    private static readonly TimeSpan AfterFault = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await Task.Run(Declare, stoppingToken); // Hangfire's calls block their thread
                return;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("The recurring jobs could not be registered, retrying in {Wait}; the previous registration stays in force: {Error}",
                    AfterFault, e.Message);
                await Task.Delay(AfterFault, clock, stoppingToken)
                    .ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    private void Declare()
    {
        var options = new RecurringJobOptions { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Relaxed };
        recurring.AddOrUpdate<Sweeps>("orphans", Sweeps.Queue, s => s.OrphansAsync(CancellationToken.None), "10 * * * * *", options);
        recurring.AddOrUpdate<Sweeps>("retention", Sweeps.Queue, s => s.RetentionAsync(CancellationToken.None), "0 */10 * * * *", options);
        recurring.AddOrUpdate<Sweeps>("metrics", Sweeps.Queue, s => s.MetricsAsync(CancellationToken.None), "40 * * * * *", options);
        recurring.AddOrUpdate<Sweeps>("idle", Sweeps.Queue, s => s.IdleAsync(CancellationToken.None), "20 * * * * *", options);
        using var connection = storage.GetReadOnlyConnection();
        foreach (var id in connection.GetAllItemsFromSet("recurring-jobs")
            .Except(["orphans", "retention", "metrics", "idle"], StringComparer.Ordinal))
            recurring.RemoveIfExists(id);
    }
}
