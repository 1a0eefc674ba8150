namespace Portal.Controls;

/// <summary>
/// What a screen reader says of changes that the eye sees by itself. One polite live region a circuit, always on the page: what appears together
/// with its own region is not read out reliably.
/// </summary>
public sealed class Announcements
{
    private Action[] _hearers = [];

    /// <summary>The newest; null before the first.</summary>
    public Announcement? Newest { get; private set; }

    public void Say(string words)
    {
        Newest = new((Newest?.Number ?? 0) + 1, words);
        foreach (var hear in _hearers) hear();
    }

    /// <summary>Calls at each announcement until the answer is disposed.</summary>
    public IDisposable Listen(Action hear)
    {
        _hearers = [.. _hearers, hear];
        return new Listener(this, hear);
    }

    private sealed class Listener(Announcements all, Action hear) : IDisposable
    {
        public void Dispose() => all._hearers = [.. all._hearers.Where(h => h != hear)];
    }
}

/// <param name="Number">So that the same words are read out twice.</param>
public sealed record Announcement(long Number, string Words);
