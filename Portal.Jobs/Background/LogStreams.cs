using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Background;

/// <summary>
/// Sends node logs, a bounded number at once. The head of a response goes out at once, so that whoever waits for it knows that this process is running:
/// what fails after that cuts the response off.
/// </summary>
internal sealed class LogStreams(IDbContextFactory<PortalDb> databases, CloudKits kits, TimeProvider clock)
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1), LongestQueue = TimeSpan.FromSeconds(30), LongestRead = TimeSpan.FromMinutes(1),
        LongestWrite = TimeSpan.FromMinutes(10);

    // Of this process. A log that has been read is kept in memory for as long as its reader takes.
    private static readonly SemaphoreSlim Following = new(64), Reading = new(4), Sending = new(32);

    /// <summary>A log's last lines and whatever follows, until the node ends or the reader leaves. 503 if too many are followed.</summary>
    public async Task FollowAsync(HttpContext http, Guid workspace, string node, int? tail)
    {
        var cancel = http.RequestAborted;
        if (!await Following.WaitAsync(TimeSpan.Zero, cancel))
        {
            http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }
        try
        {
            await BeginAsync(http.Response, cancel);
            if (await CloudAsync(workspace, cancel) is { } clusters)
                await CopyAsync(clusters.LogAsync(workspace, node, tail, follow: true, cancel), http.Response, cancel);
        }
        catch (Exception e) when (e is CloudException or OperationCanceledException) { http.Abort(); }
        finally { Following.Release(); }
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

    private async Task<IClusterCloud?> CloudAsync(Guid workspace, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return (await kits.OfAsync(db, workspace, cancel))?.Clusters;
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
        if (!await Reading.WaitAsync(LongestQueue, cancel)) throw new TimeoutException();
        try
        {
            using var own = new CancellationTokenSource(LongestRead, clock);
            using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
            if (await CloudAsync(workspace, until.Token) is not { } clusters) return [];
            return await EndOfAsync(clusters.LogAsync(workspace, node, tail, follow: false, until.Token), until.Token);
        }
        finally { Reading.Release(); }
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
