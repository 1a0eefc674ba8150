namespace Portal.Controls;

/// <summary>
/// Announces to screen readers what sighted people notice. One polite live region per circuit, always on the page, because text that appears
/// together with its own region is not read out reliably.
/// </summary>
public sealed class Announcements
{
    private Action[] _hearers = [];

    /// <summary>The newest announcement; null before the first.</summary>
    public Announcement? Newest { get; private set; }

    public void Say(string text)
    {
        Newest = new((Newest?.Number ?? 0) + 1, text);
        foreach (var hear in _hearers) hear();
    }

    /// <summary>Calls back at each announcement until the result is disposed.</summary>
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

/// <param name="Number">Makes screen readers read the same text again.</param>
public sealed record Announcement(long Number, string Text);
