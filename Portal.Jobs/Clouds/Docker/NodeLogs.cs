using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using Docker.DotNet;
using Docker.DotNet.Models;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>The tail of what a container wrote, made fit for a page: bounded, without colours and control characters.</summary>
public static partial class NodeLogs
{
    private const int MostBytes = 1 << 20, LongestLine = 2000;

    /// <summary>At most so many lines, oldest first. Empty when the container is gone.</summary>
    public static async Task<IReadOnlyList<string>> TailAsync(Engine engine, string container, int lines, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lines, 1);
        var parameters = new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Tail = Math.Min(lines, 5000).ToString(System.Globalization.CultureInfo.InvariantCulture) };
        try
        {
            return await engine.AskAsync(async c =>
            {
                using var stream = await c.Containers.GetContainerLogsAsync(container, parameters, cancel);
                return Lines(await ReadAsync(stream, cancel), lines);
            }, cancel);
        }
        catch (CloudException e) when (e.Fault == CloudFault.Missing)
        {
            return [];
        }
    }

    /// <summary>Line by line with the time in front of each, both streams together. Nothing when the container is gone.</summary>
    /// <param name="tail">So many of the last lines; null for all that the engine keeps.</param>
    public static async IAsyncEnumerable<string> ReadAsync(Engine engine, string container, int? tail, bool follow, [EnumeratorCancellation] CancellationToken cancel)
    {
        var parameters = new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Timestamps = true, Follow = follow, Tail = tail?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "all" };
        MultiplexedStream? opened = null;
        await EngineTasks.IfThereAsync(async () => opened = await engine.AskAsync(c => c.Containers.GetContainerLogsAsync(container, parameters, cancel), cancel));
        if (opened is null) yield break;
        using var stream = opened;
        var (said, complained) = (new LogLines(), new LogLines());
        var buffer = new byte[64 * 1024];
        while (await NextAsync(stream, buffer, cancel) is { EOF: false } read)
        {
            foreach (var line in (read.Target is MultiplexedStream.TargetStream.StandardError ? complained : said).Add(buffer.AsSpan(0, read.Count))) yield return line;
        }

        foreach (var line in said.End().Concat(complained.End())) yield return line;
    }

    private static async Task<MultiplexedStream.ReadResult> NextAsync(MultiplexedStream stream, byte[] buffer, CancellationToken cancel)
    {
        try
        {
            return await stream.ReadOutputAsync(buffer, 0, buffer.Length, cancel);
        }
        catch (Exception e) when (e is not OperationCanceledException && EngineFaults.From(e, cancel) is { } fault)
        {
            throw;
        }
    }

    /// <summary>Cuts a text into lines for a page.</summary>
    public static IReadOnlyList<string> Lines(string text, int most) =>
        [.. text.Split('\n').Select(Plain).Where(l => l.Length > 0).TakeLast(most)];

    /// <summary>The last megabyte: a program may write one line without an end.</summary>
    private static async Task<string> ReadAsync(MultiplexedStream stream, CancellationToken cancel)
    {
        var kept = new Queue<byte[]>();
        var size = 0;
        var buffer = new byte[64 * 1024];
        while (await stream.ReadOutputAsync(buffer, 0, buffer.Length, cancel) is { EOF: false } read)
        {
            kept.Enqueue(buffer[..read.Count]);
            size += read.Count;
            while (size - kept.Peek().Length > MostBytes)
            {
                size -= kept.Dequeue().Length;
            }
        }

        return Encoding.UTF8.GetString([.. kept.SelectMany(b => b)]);
    }

    private static string Plain(string line)
    {
        // A progress bar writes over its own line: what stood last is what counts.
        var shown = Colour().Replace(line.TrimEnd('\r'), "");
        shown = shown[(shown.LastIndexOf('\r') + 1)..];
        if (shown.Any(c => char.IsControl(c) && c != '\t'))
        {
            shown = string.Concat(shown.Select(c => char.IsControl(c) && c != '\t' ? '\uFFFD' : c));
        }

        return shown.Length <= LongestLine ? shown.TrimEnd() : shown[..LongestLine] + " …";
    }

    [GeneratedRegex(@"\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Colour();
}
