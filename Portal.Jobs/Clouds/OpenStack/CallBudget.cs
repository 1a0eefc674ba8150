namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Calls that need not be made: so many in one second, and what comes after them does without.</summary>
internal sealed class CallBudget(TimeProvider clock)
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private long _tick;
    private int _calls;

    /// <summary>Whether the caller may call now. Callers with different limits share the second: what one has used is gone for the others.</summary>
    /// <param name="most">Calls in one second after which this caller gets none.</param>
    public bool TryCall(int most)
    {
        lock (_gate)
        {
            if (clock.GetElapsedTime(_tick) > Tick) (_tick, _calls) = (clock.GetTimestamp(), 0);
            if (_calls >= most) return false;
            _calls++;
            return true;
        }
    }
}
