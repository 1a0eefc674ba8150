using System.Collections.Concurrent;

namespace Portal.Jobs.Leases;

/// <summary>The runs this process holds, renewed together once a second; runs whose lease is lost are cancelled.</summary>
public sealed class HeldRuns(RunStore runs, RunOptions options, TimeProvider clock, ILogger<HeldRuns> log) : BackgroundService
{
    private readonly ConcurrentDictionary<long, Held> _held = new();

    /// <summary>Renewed until it is disposed of.</summary>
    public Held Hold(HeldRun run, CancellationToken stopping)
    {
        var held = new Held(run, this, stopping);
        // Taken again by this same process: its work under the earlier version is over, and nothing else would cancel it.
        _held.AddOrUpdate(run.Id, held, (_, before) =>
        {
            before.Lose();
            return held;
        });
        return held;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var tick = new PeriodicTimer(options.Heartbeat, clock);
        // Not the stopping token: jobs that hand their runs back during shutdown hold them until they are done.
        while (await tick.WaitForNextTickAsync(CancellationToken.None) && !stoppingToken.IsCancellationRequested)
        {
            var mine = _held.Values.ToArray();
            if (mine.Length == 0) continue;
            try
            {
                var ours = await runs.RenewAsync([.. mine.Select(m => m.Run)], stoppingToken);
                // A step may have been saved or released in the meantime: only what we still hold under the version we named is lost.
                foreach (var lost in mine.Where(m => !ours.Contains(m.Run.Id) && _held.TryGetValue(m.Run.Id, out var h) && h == m)) lost.Lose();
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { return; }
            catch (Exception e) { log.LogWarning("Leases could not be renewed: {Error}", e.Message); }
        }
    }

    /// <summary>One held run with the cancellation token of its steps.</summary>
    public sealed class Held : IDisposable
    {
        private readonly CancellationTokenSource _source;
        private readonly HeldRuns _all;

        internal Held(HeldRun run, HeldRuns all, CancellationToken stopping)
        {
            (Run, _all, _source) = (run, all, CancellationTokenSource.CreateLinkedTokenSource(stopping));
            Token = _source.Token;
        }

        public HeldRun Run { get; set; }
        public bool Lost { get; private set; }
        public CancellationToken Token { get; }

        internal void Lose()
        {
            Lost = true;
            try { _source.Cancel(); }
            catch (ObjectDisposedException) { /* it ended at the same moment */ }
        }

        public void Dispose()
        {
            _all._held.TryRemove(new(Run.Id, this));
            _source.Dispose();
        }
    }
}
