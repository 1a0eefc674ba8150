using Microsoft.Extensions.Time.Testing;

namespace Portal.IntegrationTests;

/// <summary>A clock that stands still until a test moves it, and reports the duration of the first wait on it.</summary>
internal sealed class WaitedClock : FakeTimeProvider
{
    public TaskCompletionSource<TimeSpan> Waited { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        Waited.TrySetResult(dueTime);
        return timer;
    }
}
