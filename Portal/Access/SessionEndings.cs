using System.Collections.Concurrent;
using Portal.Core.Access;
using Portal.Core.Live;

namespace Portal.Access;

/// <summary>Sessions that end while a circuit is open: circuits subscribe by session.</summary>
internal sealed class SessionEndings(FindSession sessions, Changes changes, TimeProvider clock, ILogger<SessionEndings> log) : RowWatch(changes, clock, log)
{
    private readonly ConcurrentDictionary<Holder, string> _holders = new();

    protected override TimeSpan Every => TimeSpan.FromSeconds(30);

    /// <param name="ended">Called once, on a pool thread; must return quickly.</param>
    public IDisposable On(string sessionHash, Action ended)
    {
        var holder = new Holder(ended, h => _holders.TryRemove(h, out _));
        _holders[holder] = sessionHash;
        Wake(); // it may have just ended
        return holder;
    }

    protected override bool Concerns(string what) => what is "access" or Changes.Everything;

    protected override async Task LookAsync(CancellationToken cancel)
    {
        var held = _holders.ToArray();
        if (held.Length == 0) return;
        var alive = await sessions.StillAliveAsync([.. held.Select(h => h.Value).Distinct(StringComparer.Ordinal)], cancel);
        foreach (var (holder, session) in held)
            if (!alive.Contains(session) && _holders.TryRemove(holder, out _)) holder.Ended();
    }

    private sealed class Holder(Action ended, Action<Holder> forget) : IDisposable
    {
        public void Ended() => ended();
        public void Dispose() => forget(this);
    }
}
