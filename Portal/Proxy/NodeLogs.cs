using System.Globalization;
using System.Runtime.CompilerServices;
using Portal.Access;
using Portal.Core.Foreign;
using Portal.Core.People;
using Portal.Core.Workspaces;

namespace Portal.Proxy;

/// <summary>Node logs, which Jobs serves; each time, the rows decide whether a person may read one.</summary>
internal sealed class NodeLogs(FindNode nodes, JobsClient jobs, TimeProvider clock)
{
    /// <summary>Number of earlier lines shown when following begins.</summary>
    private const int Tail = 200;

    /// <summary>Limit of a download, UTF-16 units: more than Jobs sends.</summary>
    private const int MostOfAFile = 6 << 20;

    /// <summary>Jobs answers at once, and for a download reads a log for 90 seconds at most before its first line: if it does not, it is not running.</summary>
    private static readonly TimeSpan LongestHead = TimeSpan.FromSeconds(10), LongestSilence = TimeSpan.FromSeconds(100);

    /// <summary>Line by line, while the node is running and someone is reading. Ends immediately if this person may not read
    /// it. Throws <see cref="HttpRequestException"/> or <see cref="IOException"/> while Jobs is unavailable. If Jobs is suspended later, no more lines come:
    /// a node may be silent for hours, so that ends nothing.</summary>
    public async IAsyncEnumerable<string> FollowAsync(Actor actor, Guid workspace, string node, [EnumeratorCancellation] CancellationToken cancel)
    {
        if (!await nodes.RunAsync(actor, workspace, node, cancel)) yield break;
        using var answer = await RequestAsync(workspace, node, string.Create(CultureInfo.InvariantCulture, $"tail={Tail}&follow=true"), cancel);
        await foreach (var line in LinesAsync(answer.EnsureSuccessStatusCode(), Timeout.InfiniteTimeSpan, cancel)) yield return line;
    }

    /// <summary>The end of the log as a file: 503 if Jobs sends none of it, and cut off if it does not send the rest.</summary>
    public async Task DownloadAsync(HttpContext http, Guid id, string node)
    {
        if (!await nodes.RunAsync(http.User.Actor(), id, node, http.RequestAborted))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        try
        {
            using var answer = await RequestAsync(id, node, "follow=false", http.RequestAborted);
            http.Response.ContentType = "text/plain; charset=utf-8";
            // The node name was chosen by us, and the header contains nothing else that could vary.
            http.Response.Headers.ContentDisposition = $"attachment; filename=\"{node}.log\"";
            http.Response.Headers.CacheControl = "no-store";
            var left = MostOfAFile;
            await foreach (var line in LinesAsync(answer.EnsureSuccessStatusCode(), LongestSilence, http.RequestAborted))
            {
                if ((left -= line.Length) < 0) break;
                await http.Response.WriteAsync(line + "\n", http.RequestAborted);
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            if (http.Response.HasStarted) http.Abort();
            else await UnavailableAsync(http);
        }
    }

    /// <summary>A node's output as clean lines: cleaned again here, before it becomes part of a page.</summary>
    private async IAsyncEnumerable<string> LinesAsync(HttpResponseMessage answer, TimeSpan silence, [EnumeratorCancellation] CancellationToken cancel)
    {
        var lines = new LogLines();
        var buffer = new byte[16 << 10];
        var stream = await answer.Content.ReadAsStreamAsync(cancel);
        int got;
        while ((got = await WithinAsync(silence, async until => await stream.ReadAsync(buffer, until), cancel)) > 0)
        {
            foreach (var line in lines.Add(buffer.AsSpan(0, got))) yield return line;
        }
        foreach (var line in lines.End()) yield return line;
    }

    private static async Task UnavailableAsync(HttpContext http)
    {
        http.Response.Clear();
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.RetryAfter = JobsClient.RetryAfter;
        http.Response.ContentType = "text/plain; charset=utf-8";
        const string Message = "The log cannot be read at the moment: the background worker is not responding. It may be restarting.";
        await http.Response.WriteAsync(Message, http.RequestAborted);
    }

    private async Task<HttpResponseMessage> RequestAsync(Guid workspace, string node, string query, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{JobsClient.Address}/logs/{workspace:D}/{Uri.EscapeDataString(node)}?{query}");
        return await WithinAsync(LongestHead, until => jobs.Invoker.SendAsync(request, until), cancel);
    }

    /// <summary>Throws <see cref="HttpRequestException"/> when Jobs takes longer.</summary>
    private async Task<T> WithinAsync<T>(TimeSpan limit, Func<CancellationToken, Task<T>> work, CancellationToken cancel)
    {
        using var own = new CancellationTokenSource(limit, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
        try { return await work(until.Token); }
        catch (OperationCanceledException e) when (own.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw new HttpRequestException($"Jobs sent nothing for {limit.TotalSeconds} s.", e);
        }
    }
}
