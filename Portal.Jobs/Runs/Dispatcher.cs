using Hangfire;
using Hangfire.States;
using Npgsql;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Runs;

/// <summary>Wakes the dispatcher: NOTIFY, a worker that became free, a run that waits for a due time, a timer.</summary>
public sealed class DispatchSignal : IDisposable
{
    private readonly SemaphoreSlim _signal = new(0, 1);

    /// <summary>Due runs were left unclaimed because every place of this process is taken.</summary>
    public bool LeftUnclaimed { get; set; }

    public void Wake()
    {
        try { _signal.Release(); }
        catch (SemaphoreFullException) { /* already signalled */ }
    }

    /// <summary>True if it was signalled.</summary>
    public Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancel) => _signal.WaitAsync(atMost, cancel);

    public void Dispose() => _signal.Dispose();
}

/// <summary>
/// Admits and claims runs and enqueues them in Hangfire: one job for all that are due in a pool, in the queue of that pool. The lease recovers from a
/// crash after the claim and from a lost Enqueue.
/// </summary>
public sealed class Dispatcher(RunStore runs, Admission admission, IBackgroundJobClient hangfire, RunQueues queues, DispatchSignal signal,
    RunOptions options, TimeProvider clock, IHostApplicationLifetime lifetime, ILogger<Dispatcher> log) : BackgroundService
{
    /// <summary>Timed wake-ups are batched in intervals of this length; a NOTIFY does not wait for it.</summary>
    private static readonly TimeSpan Grain = TimeSpan.FromMilliseconds(100), AfterFault = TimeSpan.FromMilliseconds(500);

    private const int Together = 25;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Hangfire's tokens are cancelled at ApplicationStopping, before hosted services stop.
        // Claiming must stop then too, or it takes back what was just handed back.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lifetime.ApplicationStopping);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await admission.RunAsync(stop.Token);
                var (handed, nextIn) = await runs.HandOverAsync(stop.Token);
                foreach (var pool in handed.GroupBy(r => r.Pool, r => r.Id, StringComparer.Ordinal))
                {
                    foreach (var ids in pool.Chunk(Together))
                        hangfire.Create<AdvanceRun>(a => a.AdvanceAsync(ids, CancellationToken.None), new EnqueuedState(queues.Of(pool.Key)));
                }
                signal.LeftUnclaimed = nextIn <= TimeSpan.Zero;
                await signal.WaitAsync(Clamp(nextIn ?? options.BackupPoll), stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                log.LogWarning("Dispatching failed, retrying in {Wait}: {Error}", AfterFault, e.Message);
                await Task.Delay(AfterFault, clock, stop.Token)
                    .ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    private TimeSpan Clamp(TimeSpan t) => t < Grain ? Grain : t > options.BackupPoll ? options.BackupPoll : t;
}

/// <summary>One LISTEN connection per process for orders and requested runs; reconnects automatically after a database restart.</summary>
public sealed class RunListener(NpgsqlDataSource data, DispatchSignal signal, TimeProvider clock, ILogger<RunListener> log) : BackgroundService
{
    private static readonly TimeSpan AfterFault = TimeSpan.FromMilliseconds(250);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = await data.OpenConnectionAsync(stoppingToken);
                connection.Notification += (_, _) => signal.Wake();
                await using (var listen = new NpgsqlCommand("listen portal_runs", connection)) await listen.ExecuteNonQueryAsync(stoppingToken);
                signal.Wake(); // for notifications sent while this process was not listening
                while (true) await connection.WaitAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                // The connection went back to the pool, where it would go on listening: nothing resets it. Others are probably dead too.
                data.Clear();
                log.LogWarning("Listening for runs failed, retrying in {Wait}: {Error}", AfterFault, e.Message);
                await Task.Delay(AfterFault, clock, stoppingToken)
                    .ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }
}
