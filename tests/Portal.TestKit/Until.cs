namespace Portal.TestKit;

/// <summary>Waits for a thing by looking at it. No test sleeps for a time that it hopes is enough.</summary>
public static class Until
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(20);

    /// <summary>Looks until it holds; answers how long that took. Throws with what it waited for after the deadline (default 20 s).</summary>
    public static async Task<TimeSpan> TrueAsync(string what, Func<Task<bool>> look, CancellationToken cancel, TimeSpan? deadline = null)
    {
        var clock = TimeProvider.System;
        var start = clock.GetTimestamp();
        var most = deadline ?? TimeSpan.FromSeconds(20);
        while (!await look())
        {
            if (clock.GetElapsedTime(start) > most) throw new TimeoutException($"Waited {most.TotalSeconds:F0} s in vain: {what}.");
            await Task.Delay(Between, clock, cancel);
        }
        return clock.GetElapsedTime(start);
    }

    /// <inheritdoc cref="TrueAsync(string, Func{Task{bool}}, CancellationToken, TimeSpan?)"/>
    public static Task<TimeSpan> TrueAsync(string what, Func<bool> look, CancellationToken cancel, TimeSpan? deadline = null) => TrueAsync(what, () => Task.FromResult(look()), cancel, deadline);
}
