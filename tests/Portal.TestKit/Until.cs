namespace Portal.TestKit;

/// <summary>Waits for a condition by checking it. No test sleeps for a fixed time and hopes that it is enough.</summary>
public static class Until
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(20);

    /// <summary>Checks until it holds; returns how long that took. After the deadline (default 20 s) throws with what it waited for.</summary>
    public static async Task<TimeSpan> TrueAsync(string what, Func<Task<bool>> look, CancellationToken cancel, TimeSpan? deadline = null)
    {
        var clock = TimeProvider.System;
        var start = clock.GetTimestamp();
        var most = deadline ?? TimeSpan.FromSeconds(20);
        while (!await look())
        {
            if (clock.GetElapsedTime(start) > most) throw new TimeoutException($"Timed out after {most.TotalSeconds:F0} s: {what}.");
            await Task.Delay(Between, clock, cancel);
        }
        return clock.GetElapsedTime(start);
    }

    /// <inheritdoc cref="TrueAsync(string, Func{Task{bool}}, CancellationToken, TimeSpan?)"/>
    public static Task<TimeSpan> TrueAsync(string what, Func<bool> look, CancellationToken cancel, TimeSpan? deadline = null) =>
        TrueAsync(what, () => Task.FromResult(look()), cancel, deadline);
}
