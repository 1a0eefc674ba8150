namespace Portal.Controls;

/// <summary>
/// A one-second tick per circuit, for what ages on a page: "2 min ago", the duration of a step. Ticks only while
/// something listens; listeners render only when their text has changed.
/// </summary>
public sealed class Heartbeat(TimeProvider clock) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<Action> _listeners = [];
    private ITimer? _timer;

    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>Calls back once a second, on any thread, until the result is disposed.</summary>
    public IDisposable Listen(Action beat)
    {
        lock (_gate)
        {
            _listeners.Add(beat);
            _timer ??= clock.CreateTimer(_ => Beat(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        }
        return new Listener(this, beat);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _listeners.Clear();
            _timer?.Dispose();
            _timer = null;
        }
    }

    private void Beat()
    {
        Action[] listeners;
        lock (_gate) listeners = [.. _listeners];
        foreach (var listener in listeners) listener();
    }

    private void Leave(Action beat)
    {
        lock (_gate)
        {
            _listeners.Remove(beat);
            if (_listeners.Count > 0) return;
            _timer?.Dispose();
            _timer = null;
        }
    }

    private sealed class Listener(Heartbeat heart, Action beat) : IDisposable
    {
        public void Dispose() => heart.Leave(beat);
    }
}
