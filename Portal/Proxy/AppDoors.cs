using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Access;
using Portal.Core.Access;
using Portal.Core.Data;
using Portal.Core.Live;

namespace Portal.Proxy;

/// <summary>
/// Accesses in use, as the rows last said. A change that the database tells of is looked at within a fraction of a second,
/// and every one at least each minute; what has no access any more is cut, open WebSockets and downloads included.
/// </summary>
internal sealed class AppDoors(IDbContextFactory<PortalDb> databases, FindSession sessions, AppToken tokens, Changes changes, TimeProvider clock, ILogger<AppDoors> log) : RowWatch(changes, clock, log)
{
    /// <summary>Never served from memory longer than this after the rows were asked.</summary>
    private static readonly TimeSpan Trusted = TimeSpan.FromMinutes(1), Forgotten = TimeSpan.FromMinutes(10);
    private readonly ConcurrentDictionary<string, AppDoor> _open = new(StringComparer.Ordinal);
    private long _looks;

    protected override TimeSpan Every => TimeSpan.FromSeconds(20);

    protected override bool Concerns(string what) => what is "access" or Changes.Everything || (what.StartsWith("w:", StringComparison.Ordinal) && _open.Any(d => what.StartsWith(d.Value.Watches, StringComparison.Ordinal)));

    /// <summary>The door that this cookie opens on this host; null for none.</summary>
    public async Task<AppDoor?> FindAsync(string key, AppHost host, CancellationToken cancel)
    {
        var hash = Secret.Hash(key);
        if (!_open.TryGetValue(hash, out var door) || door.AskedAt + Trusted < Clock.GetUtcNow())
            door = await AskAsync(hash, cancel);
        return door is not null && door.Access.App == host.App && door.Access.Slug == host.Slug ? door : null;
    }

    protected override async Task LookAsync(CancellationToken cancel)
    {
        Interlocked.Increment(ref _looks);
        var known = _open.ToArray();
        if (known.Length == 0) return;
        var asked = Clock.GetUtcNow();
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancel);
            var now = (await AppAccessReader.ReadAsync(db, [.. known.Select(k => k.Key)], cancel)).ToDictionary(a => a.Hash, StringComparer.Ordinal);
            foreach (var (hash, door) in known)
            {
                if (!now.TryGetValue(hash, out var access) || !access.IsSame(door.Access) || door.IsIdle(asked - Forgotten)) Close(hash, door);
                else door.StillOpen(access, asked);
            }
            // Whoever works in an app is not idle in the portal.
            var behind = known.Select(k => k.Value).Where(d => d.Access.SessionHash is not null && !d.IsIdle(asked - Forgotten)).Select(d => d.Access.SessionHash!).ToHashSet(StringComparer.Ordinal);
            if (behind.Count > 0) await sessions.StillAliveAsync(behind, cancel);
        }
        finally
        {
            // Nobody is let in on the word of rows that cannot be asked.
            foreach (var (hash, door) in known)
                if (door.AskedAt + Trusted < asked) Close(hash, door);
        }
    }

    private async Task<AppDoor?> AskAsync(string hash, CancellationToken cancel)
    {
        var before = Interlocked.Read(ref _looks);
        var asked = Clock.GetUtcNow();
        await using var db = await databases.CreateDbContextAsync(cancel);
        var access = (await AppAccessReader.ReadAsync(db, [hash], cancel)).SingleOrDefault();
        if (_open.TryGetValue(hash, out var there))
        {
            if (access is not null && access.IsSame(there.Access))
            {
                there.StillOpen(access, asked);
                return there;
            }
            Close(hash, there);
        }
        if (access is null) return null;
        var door = new AppDoor(access, access.TokenApp is { } app ? tokens.Of(access.WorkspaceId, access.Generation, app) : null, asked);
        var kept = _open.GetOrAdd(hash, door);
        if (kept != door) door.Close();
        // A change that was told while the rows were read has been looked at without this door.
        if (before != Interlocked.Read(ref _looks)) Ring();
        return kept;
    }

    private void Close(string hash, AppDoor door)
    {
        if (_open.TryRemove(KeyValuePair.Create(hash, door))) door.Close();
    }
}

/// <summary>One browser's way to one app of one generation. The connections belong to it, so that an address that is used again is never reached over an old one.</summary>
internal sealed class AppDoor : IDisposable
{
    private readonly CancellationTokenSource _ends = new();
    private long _asked, _used;
    private int _inUse;

    public AppDoor(AppAccess access, string? token, DateTimeOffset asked)
    {
        (Access, Token, Watches, Ends) = (access, token, $"w:{access.WorkspaceId}", _ends.Token);
        _asked = _used = asked.UtcTicks;
    }

    public AppAccess Access { get; private set; }

    /// <summary>Of the app; null where it asks for none.</summary>
    public string? Token { get; }

    /// <summary>How notifications about its workspace begin.</summary>
    public string Watches { get; }

    /// <summary>Cancelled when this access ends.</summary>
    public CancellationToken Ends { get; }

    public HttpMessageInvoker Client { get; } = new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        RequestHeaderEncodingSelector = (_, _) => Encoding.Latin1,
        ResponseHeaderEncodingSelector = (_, _) => Encoding.Latin1,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    });

    /// <summary>When the rows were last asked, the web's clock.</summary>
    public DateTimeOffset AskedAt
    {
        get => new(Interlocked.Read(ref _asked), TimeSpan.Zero);
        private set => Interlocked.Exchange(ref _asked, value.UtcTicks);
    }

    /// <summary>The rows say the same as before; what else runs in the workspace may have changed.</summary>
    public void StillOpen(AppAccess access, DateTimeOffset asked)
    {
        Access = access;
        AskedAt = asked;
    }

    public void Enter(DateTimeOffset now)
    {
        Interlocked.Increment(ref _inUse);
        Interlocked.Exchange(ref _used, now.UtcTicks);
    }

    public void Leave(DateTimeOffset now)
    {
        Interlocked.Exchange(ref _used, now.UtcTicks);
        Interlocked.Decrement(ref _inUse);
    }

    public bool IsIdle(DateTimeOffset since) => Volatile.Read(ref _inUse) == 0 && Interlocked.Read(ref _used) < since.UtcTicks;

    /// <summary>Ends what is open and lets nothing new in. The token stays usable for whoever holds it.</summary>
    public void Close()
    {
        _ends.Cancel();
        Dispose();
    }

    public void Dispose()
    {
        Client.Dispose();
        _ends.Dispose();
    }
}
