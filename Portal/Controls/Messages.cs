namespace Portal.Controls;

/// <summary>The outcome of an action, shown briefly at the bottom of the page.</summary>
public sealed record Message(long Number, string Text, bool Warns);

/// <summary>
/// The messages of one circuit. Our own control, because MudBlazor's snackbar writes style elements, which our content security policy blocks.
/// </summary>
public sealed class Messages(TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Shows = TimeSpan.FromSeconds(8);
    private const int Most = 3;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, ITimer> _timers = [];
    private Message[] _shown = [];
    private Action[] _hearers = [];
    private long _number;

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<Message> Shown => _shown;

    /// <summary>Says that something was done, or with <paramref name="warns"/> that it was not. Disappears after a few seconds.</summary>
    public void Say(string text, bool warns = false)
    {
        lock (_gate)
        {
            var message = new Message(++_number, text, warns);
            _shown = [.. _shown.TakeLast(Most - 1), message];
            _timers[message.Number] = clock.CreateTimer(_ => Close(message), null, Shows, Timeout.InfiniteTimeSpan);
        }
        Tell();
    }

    public void Close(Message message)
    {
        lock (_gate)
        {
            _shown = [.. _shown.Where(m => m != message)];
            if (_timers.Remove(message.Number, out var timer)) timer.Dispose();
        }
        Tell();
    }

    /// <summary>Calls back at each change, on any thread, until the result is disposed.</summary>
    public IDisposable Listen(Action changed)
    {
        lock (_gate) _hearers = [.. _hearers, changed];
        return new Listener(this, changed);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var timer in _timers.Values) timer.Dispose();
            _timers.Clear();
            _hearers = [];
        }
    }

    private void Tell()
    {
        foreach (var hearer in _hearers) hearer();
    }

    private sealed class Listener(Messages messages, Action changed) : IDisposable
    {
        public void Dispose()
        {
            lock (messages._gate) messages._hearers = [.. messages._hearers.Where(h => h != changed)];
        }
    }
}
