using System.Diagnostics;

namespace Portal.TestKit.Clouds;

/// <summary>Checks the thing itself until it holds, or fails with what was seen last.</summary>
public static class Eventually
{
    public static async Task<T> SeesAsync<T>(Func<Task<T>> look, Func<T, bool> holds, string what, double seconds = 30)
    {
        for (var clock = Stopwatch.StartNew(); ;)
        {
            var seen = await look();
            if (holds(seen))
            {
                return seen;
            }

            if (clock.Elapsed.TotalSeconds > seconds)
            {
                throw new TimeoutException($"{what}: not seen in {seconds} s, but {seen}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }

    public static Task HoldsAsync(Func<Task<bool>> look, string what, double seconds = 30) => SeesAsync(look, b => b, what, seconds);
}
