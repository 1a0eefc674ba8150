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
/// Current accesses, as last read from the rows. After a change that the database notifies they are checked within a fraction of a second,
/// and at least every minute; a revoked access is cut, including open WebSockets and downloads.
/// </summary>
internal sealed class AppAccessCache(IDbContextFactory<PortalDb> databases, FindSession sessions, AppToken tokens, Changes changes,
    TimeProvider clock, ILogger<AppAccessCache> log) : RowWatch(changes, clock, log)
{
    /// <summary>Maximum time for which a cached access is used without reading the rows again.</summary>
    private static readonly TimeSpan Trusted = TimeSpan.FromMinutes(1), Forgotten = TimeSpan.FromMinutes(10);
    private readonly ConcurrentDictionary<string, CachedAppAccess> _open = new(StringComparer.Ordinal);
    private long _looks;

    protected override TimeSpan Every => TimeSpan.FromSeconds(20);

    protected override bool Concerns(string what) =>
        what is "access" or Changes.Everything
            || (what.StartsWith("w:", StringComparison.Ordinal) && _open.Any(d => what.StartsWith(d.Value.Watches, StringComparison.Ordinal)));

    /// <summary>The access that this cookie gives on this host; null for none.</summary>
    public async Task<CachedAppAccess?> FindAsync(string key, AppHost host, CancellationToken cancel)
    {
        var hash = Secret.Hash(key);
        if (!_open.TryGetValue(hash, out var entry) || entry.ReadAt + Trusted < Clock.GetUtcNow())
            entry = await ReadAsync(hash, cancel);
        return entry is not null && entry.Access.App == host.App && entry.Access.Slug == host.Slug ? entry : null;
    }

    protected override async Task LookAsync(CancellationToken cancel)
    {
        Interlocked.Increment(ref _looks);
        var known = _open.ToArray();
        if (known.Length == 0) return;
        var readAt = Clock.GetUtcNow();
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancel);
            var now = (await AppAccessReader.ReadAsync(db, [.. known.Select(k => k.Key)], cancel)).ToDictionary(a => a.Hash, StringComparer.Ordinal);
            foreach (var (hash, entry) in known)
            {
                if (!now.TryGetValue(hash, out var access) || !access.IsSame(entry.Access) || entry.IsIdle(readAt - Forgotten)) Close(hash, entry);
                else entry.StillOpen(access, readAt);
            }
            // Working in an app counts as activity in the portal.
            var behind = known.Select(k => k.Value)
                .Where(d => d.Access.SessionHash is not null && !d.IsIdle(readAt - Forgotten))
                .Select(d => d.Access.SessionHash!)
                .ToHashSet(StringComparer.Ordinal);
            if (behind.Count > 0) await sessions.StillAliveAsync(behind, cancel);
        }
        finally
        {
            // Access is not extended while the rows cannot be read.
            foreach (var (hash, entry) in known)
                if (entry.ReadAt + Trusted < readAt) Close(hash, entry);
        }
    }

    private async Task<CachedAppAccess?> ReadAsync(string hash, CancellationToken cancel)
    {
        var before = Interlocked.Read(ref _looks);
        var readAt = Clock.GetUtcNow();
        await using var db = await databases.CreateDbContextAsync(cancel);
        var access = (await AppAccessReader.ReadAsync(db, [hash], cancel)).SingleOrDefault();
        if (_open.TryGetValue(hash, out var there))
        {
            if (access is not null && access.IsSame(there.Access))
            {
                there.StillOpen(access, readAt);
                return there;
            }
            Close(hash, there);
        }
        if (access is null) return null;
        var entry = new CachedAppAccess(access, access.TokenApp is { } app ? tokens.Of(access.WorkspaceId, access.Generation, app) : null, readAt);
        var kept = _open.GetOrAdd(hash, entry);
        if (kept != entry) entry.Close();
        // A change notified while the rows were read has been checked without this access.
        if (before != Interlocked.Read(ref _looks)) Wake();
        return kept;
    }

    private void Close(string hash, CachedAppAccess entry)
    {
        if (_open.TryRemove(KeyValuePair.Create(hash, entry))) entry.Close();
    }
}

/// <summary>One browser's access to one app of one generation. It owns its connections, so that a reused address is never reached over an old one.</summary>
internal sealed class CachedAppAccess : IDisposable
{
    private readonly CancellationTokenSource _ends = new();
    private long _readAt, _used;
    private int _inUse;

    public CachedAppAccess(AppAccess access, string? token, DateTimeOffset readAt)
    {
        (Access, Token, Watches, Ends) = (access, token, $"w:{access.WorkspaceId}", _ends.Token);
        _readAt = _used = readAt.UtcTicks;
    }

    public AppAccess Access { get; private set; }

    /// <summary>Token of the app; null if it requires none.</summary>
    public string? Token { get; }

    /// <summary>Prefix of notifications about its workspace.</summary>
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

    /// <summary>When the rows were last read, by the web process's clock.</summary>
    public DateTimeOffset ReadAt
    {
        get => new(Interlocked.Read(ref _readAt), TimeSpan.Zero);
        private set => Interlocked.Exchange(ref _readAt, value.UtcTicks);
    }

    /// <summary>The access is unchanged; what else runs in the workspace may have changed.</summary>
    public void StillOpen(AppAccess access, DateTimeOffset readAt)
    {
        Access = access;
        ReadAt = readAt;
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

    /// <summary>Ends what is open and admits nothing new. The token can still be read by its holders.</summary>
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
