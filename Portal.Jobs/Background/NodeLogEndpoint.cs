using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Background;

/// <summary>
/// Node logs on the Unix socket that only the web process may open; the web process decides who may read which. Lines of text, each with a timestamp.
/// </summary>
public static class NodeLogEndpoint
{
    /// <summary>For a log that is not followed: at most its last bytes.</summary>
    public const int MostBytes = 5 << 20;

    /// <summary>Lines per second of a followed log: no one can read faster, and it bounds the cost of a node that writes endlessly.</summary>
    public const int MostLines = 500;
    private const int MostAtOnce = 64, MostDownloads = 4;

    /// <summary>Downloads that have been read and are being sent: each keeps its bytes in memory for as long as its reader takes.</summary>
    private const int MostSending = 32;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1), Longest = TimeSpan.FromMinutes(1), LongestWrite = TimeSpan.FromMinutes(10);

    public static void MapNodeLogs(this IEndpointRouteBuilder routes)
    {
        var (following, downloading, sending) = (new SemaphoreSlim(MostAtOnce), new SemaphoreSlim(MostDownloads), new SemaphoreSlim(MostSending));
        routes.MapGet("/logs/{workspace:guid}/{node}",
            async (Guid workspace, string node, int? tail, bool? follow, IDbContextFactory<PortalDb> databases, CloudKits kits,
                TimeProvider clock, HttpContext http) =>
        {
            var (slots, cancel) = (follow == true ? following : downloading, http.RequestAborted);
            if (!await slots.WaitAsync(follow == true ? TimeSpan.Zero : TimeSpan.FromSeconds(30), cancel))
            {
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
            }
            IReadOnlyCollection<string> end = [];
            try
            {
                http.Response.ContentType = "text/plain; charset=utf-8";
                if (await KitAsync(databases, kits, workspace, cancel) is not { Clusters: var clusters }) return;
                if (follow == true) await FollowAsync(clusters.LogAsync(workspace, node, tail, follow: true, cancel), http.Response, clock, cancel);
                else end = await EndAsync(clusters, workspace, node, tail, clock, cancel);
            }
            catch (CloudException) when (!http.Response.HasStarted) { http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable; }
            catch (Exception e) when (e is CloudException or OperationCanceledException) { http.Abort(); }
            finally { slots.Release(); }
            if (end.Count == 0) return;
            // A client that reads slowly does not hold up others.
            if (!await sending.WaitAsync(TimeSpan.Zero, cancel))
            {
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
            }
            try { await WriteAsync(end, http, clock); }
            finally { sending.Release(); }
        });
    }

    private static async Task<CloudKit?> KitAsync(IDbContextFactory<PortalDb> databases, CloudKits kits, Guid workspace, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await kits.OfAsync(db, workspace, cancel);
    }

    private static async Task FollowAsync(IAsyncEnumerable<string> lines, HttpResponse response, TimeProvider clock, CancellationToken cancel)
    {
        // Send the response head immediately, so that a client following a silent node waits for lines, not for a response.
        await response.StartAsync(cancel);
        await response.Body.FlushAsync(cancel);
        var (count, since) = (0, clock.GetTimestamp());
        await foreach (var line in lines.WithCancellation(cancel))
        {
            await response.WriteAsync(line + "\n", cancel);
            if (++count < MostLines) continue;
            var left = Second - clock.GetElapsedTime(since);
            if (left > TimeSpan.Zero) await Task.Delay(left, clock, cancel);
            (count, since) = (0, clock.GetTimestamp());
        }
    }

    private static async Task<IReadOnlyCollection<string>> EndAsync(
        IClusterCloud clusters, Guid workspace, string node, int? tail, TimeProvider clock, CancellationToken cancel)
    {
        using var own = new CancellationTokenSource(Longest, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
        return await EndOfAsync(clusters.LogAsync(workspace, node, tail, follow: false, until.Token), until.Token);
    }

    private static async Task WriteAsync(IReadOnlyCollection<string> lines, HttpContext http, TimeProvider clock)
    {
        using var own = new CancellationTokenSource(LongestWrite, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, own.Token);
        try
        {
            foreach (var line in lines) await http.Response.WriteAsync(line + "\n", until.Token);
        }
        catch (OperationCanceledException) { http.Abort(); }
    }

    private static async Task<IReadOnlyCollection<string>> EndOfAsync(IAsyncEnumerable<string> lines, CancellationToken cancel)
    {
        var kept = new Queue<string>();
        var size = 0;
        await foreach (var line in lines.WithCancellation(cancel))
        {
            kept.Enqueue(line);
            size += System.Text.Encoding.UTF8.GetByteCount(line) + 1;
            while (size > MostBytes) size -= System.Text.Encoding.UTF8.GetByteCount(kept.Dequeue()) + 1;
        }
        return kept;
    }
}
