using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Background;

/// <summary>
/// Sends node logs, a bounded number at once from each pool. The head of a response goes out at once, so that whoever waits for it knows that this process
/// is running: what fails after that cuts the response off.
/// </summary>
internal sealed class LogStreams(IDbContextFactory<PortalDb> databases, CloudKits kits, TimeProvider clock)
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1), LongestQueue = TimeSpan.FromSeconds(30), LongestRead = TimeSpan.FromMinutes(1),
        LongestWrite = TimeSpan.FromMinutes(10);

    // Of this process, because a log that has been read is kept in memory for as long as its reader takes, whichever pool it is from.
    private static readonly SemaphoreSlim Sending = new(32);

    private readonly Dictionary<string, Places> _places = kits.All.ToDictionary(k => k.Key, _ => new Places(new(64), new(4)), StringComparer.Ordinal);

    /// <summary>For the logs of one pool: one that hangs takes none from another.</summary>
    private sealed record Places(SemaphoreSlim Following, SemaphoreSlim Reading);

    /// <summary>A log's last lines and whatever follows, until the node ends or the reader leaves. 503 if too many of its pool are followed.</summary>
    public async Task FollowAsync(HttpContext http, Guid workspace, string node, int? tail)
    {
        try
        {
            if (await KitAsync(workspace, http.RequestAborted) is { } kit) await FollowAsync(http, kit, workspace, node, tail);
            else await BeginAsync(http.Response, http.RequestAborted);
        }
        catch (Exception e) when (e is CloudException or OperationCanceledException) { http.Abort(); }
    }

    private async Task FollowAsync(HttpContext http, CloudKit kit, Guid workspace, string node, int? tail)
    {
        var (cancel, following) = (http.RequestAborted, _places[kit.Key].Following);
        if (!await following.WaitAsync(TimeSpan.Zero, cancel))
        {
            http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }
        try
        {
            await BeginAsync(http.Response, cancel);
            await CopyAsync(kit.Clusters.LogAsync(workspace, node, tail, follow: true, cancel), http.Response, cancel);
        }
        finally { following.Release(); }
    }

    /// <summary>The end of a log. Cut off before its first line if it cannot be read now, or if too many readers take their time.</summary>
    public async Task SendEndAsync(HttpContext http, Guid workspace, string node, int? tail)
    {
        try
        {
            await BeginAsync(http.Response, http.RequestAborted);
            var end = await EndAsync(workspace, node, tail, http.RequestAborted);
            if (end.Count > 0) await WriteAsync(end, http);
        }
        catch (Exception e) when (e is CloudException or OperationCanceledException or TimeoutException) { http.Abort(); }
    }

    private static async Task BeginAsync(HttpResponse response, CancellationToken cancel)
    {
        response.ContentType = "text/plain; charset=utf-8";
        await response.StartAsync(cancel);
        await response.Body.FlushAsync(cancel);
    }

    /// <summary>Null if there is no such workspace.</summary>
    private async Task<CloudKit?> KitAsync(Guid workspace, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await kits.OfAsync(db, workspace, cancel);
    }

    private async Task CopyAsync(IAsyncEnumerable<string> lines, HttpResponse response, CancellationToken cancel)
    {
        var (count, since) = (0, clock.GetTimestamp());
        await foreach (var line in lines.WithCancellation(cancel))
        {
            await response.WriteAsync(line + "\n", cancel);
            if (++count < NodeLogEndpoint.MostLines) continue;
            var left = Second - clock.GetElapsedTime(since);
            if (left > TimeSpan.Zero) await Task.Delay(left, clock, cancel);
            (count, since) = (0, clock.GetTimestamp());
        }
    }

    private async Task<IReadOnlyCollection<string>> EndAsync(Guid workspace, string node, int? tail, CancellationToken cancel)
    {
        if (await KitAsync(workspace, cancel) is not { } kit) return [];
        var reading = _places[kit.Key].Reading;
        if (!await reading.WaitAsync(LongestQueue, cancel)) throw new TimeoutException();
        try
        {
            using var own = new CancellationTokenSource(LongestRead, clock);
            using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
            return await EndOfAsync(kit.Clusters.LogAsync(workspace, node, tail, follow: false, until.Token), until.Token);
        }
        finally { reading.Release(); }
    }

    private static async Task<IReadOnlyCollection<string>> EndOfAsync(IAsyncEnumerable<string> lines, CancellationToken cancel)
    {
        var kept = new Queue<string>();
        var size = 0;
        await foreach (var line in lines.WithCancellation(cancel))
        {
            kept.Enqueue(line);
            size += Encoding.UTF8.GetByteCount(line) + 1;
            while (size > NodeLogEndpoint.MostBytes) size -= Encoding.UTF8.GetByteCount(kept.Dequeue()) + 1;
        }
        return kept;
    }

    /// <summary>A client that reads slowly does not hold up others: none waits for it, and it is given ten minutes.</summary>
    private async Task WriteAsync(IReadOnlyCollection<string> lines, HttpContext http)
    {
        if (!await Sending.WaitAsync(TimeSpan.Zero, http.RequestAborted)) throw new TimeoutException();
        try
        {
            using var own = new CancellationTokenSource(LongestWrite, clock);
            using var until = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, own.Token);
            foreach (var line in lines) await http.Response.WriteAsync(line + "\n", until.Token);
        }
        finally { Sending.Release(); }
    }
}
