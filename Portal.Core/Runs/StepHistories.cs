using Portal.Core.Data;

namespace Portal.Core.Runs;

/// <summary>Keeps the history of steps for all readers of a process: it changes slowly, and reading it costs more than the rest of a page.</summary>
public sealed class StepHistories(TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Trusted = TimeSpan.FromSeconds(15);
    private readonly SemaphoreSlim _one = new(1);
    private Read? _last;

    /// <summary>As it was at most fifteen seconds ago; one reader at a time reads it again.</summary>
    internal async Task<StepHistory> ReadAsync(PortalDb db, CancellationToken cancel)
    {
        if (Kept() is { } kept) return kept;
        await _one.WaitAsync(cancel);
        try
        {
            if (Kept() is { } meanwhile) return meanwhile;
            var at = clock.GetTimestamp();
            var read = new Read(await StepHistory.ReadAsync(db, cancel), at);
            Volatile.Write(ref _last, read);
            return read.History;
        }
        finally { _one.Release(); }
    }

    public void Dispose() => _one.Dispose();

    private StepHistory? Kept() => Volatile.Read(ref _last) is { } last && clock.GetElapsedTime(last.At) < Trusted ? last.History : null;

    private sealed record Read(StepHistory History, long At);
}
