using Portal.Core.Data;

namespace Portal.Core.Runs;

/// <summary>The history of steps for all readers of a process: it changes slowly, and reading it costs more than the rest of a page.</summary>
public sealed class StepHistories(TimeProvider clock)
{
    private static readonly TimeSpan Trusted = TimeSpan.FromSeconds(15);
    private Read? _last;

    /// <summary>As it was at most fifteen seconds ago.</summary>
    internal async Task<StepHistory> ReadAsync(PortalDb db, CancellationToken cancel)
    {
        if (Volatile.Read(ref _last) is { } last && clock.GetElapsedTime(last.At) < Trusted) return last.History;
        var read = new Read(await StepHistory.ReadAsync(db, cancel), clock.GetTimestamp());
        Volatile.Write(ref _last, read);
        return read.History;
    }

    private sealed record Read(StepHistory History, long At);
}
