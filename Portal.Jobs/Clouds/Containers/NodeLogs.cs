using System.Runtime.CompilerServices;
using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>A container's output as clean lines.</summary>
public static class NodeLogs
{
    private const int MostBytes = 1 << 20;

    /// <summary>Limits of a tail: as much as a container engine keeps for one container, and enough time for a busy disk.</summary>
    private static readonly ReadLimit Tail = new(128 << 20, TimeSpan.FromSeconds(15));

    /// <summary>At most this many lines, oldest first. Empty if the container is gone; TimedOut if they do not arrive in time.</summary>
    public static async Task<IReadOnlyList<string>> TailAsync(ContainerEngine containerEngine, string container, int lines, TimeProvider clock,
        CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lines, 1);
        var parameters =
            new ContainerLogsParameters
            {
                ShowStdout = true,
                ShowStderr = true,
                Tail = Math.Min(lines, 5000).ToString(System.Globalization.CultureInfo.InvariantCulture)
            };
        try
        {
            return await containerEngine.CallAsync(async c =>
            {
                using var stream = await c.Containers.GetContainerLogsAsync(container, parameters, cancel);
                return ForeignText.Lines(await ReadAsync(stream, clock, cancel), lines);
            }, cancel);
        }
        catch (CloudException e) when (e.Fault == CloudFault.Missing)
        {
            return [];
        }
        catch (ReadLimitException e)
        {
            throw ContainerEngineFaults.Make(CloudFault.TimedOut, $"a node's log could not be read: {e.Message}",
                "Check the node's log on the workspace page.", e);
        }
    }

    /// <summary>Line by line with a timestamp, both streams together. Nothing if the container is gone.</summary>
    /// <param name="tail">Number of last lines; null for all that the container engine keeps.</param>
    public static async IAsyncEnumerable<string> ReadAsync(ContainerEngine containerEngine, string container, int? tail, bool follow,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        var parameters =
            new ContainerLogsParameters
            {
                ShowStdout = true,
                ShowStderr = true,
                Timestamps = true,
                Follow = follow,
                Tail = tail?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "all"
            };
        MultiplexedStream? opened = null;
        await ContainerEngineTasks.IfThereAsync(async () =>
            opened = await containerEngine.CallAsync(c => c.Containers.GetContainerLogsAsync(container, parameters, cancel), cancel));
        if (opened is null) yield break;
        using var stream = opened;
        var (output, errors) = (new LogLines(), new LogLines());
        var buffer = new byte[64 * 1024];
        while (await NextAsync(stream, buffer, cancel) is { EOF: false } read)
        {
            foreach (var line in (read.Target is MultiplexedStream.TargetStream.StandardError ? errors : output).Add(buffer.AsSpan(0, read.Count)))
                yield return line;
        }

        foreach (var line in output.End().Concat(errors.End())) yield return line;
    }

    private static async Task<MultiplexedStream.ReadResult> NextAsync(MultiplexedStream stream, byte[] buffer, CancellationToken cancel)
    {
        try
        {
            return await stream.ReadOutputAsync(buffer, 0, buffer.Length, cancel);
        }
        catch (Exception e) when (e is not OperationCanceledException && ContainerEngineFaults.From(e, cancel) is not null)
        {
            throw ContainerEngineFaults.From(e, cancel)!;
        }
    }

    /// <summary>The last megabyte, because a program may write one endless line.</summary>
    private static async Task<string> ReadAsync(MultiplexedStream stream, TimeProvider clock, CancellationToken cancel)
    {
        var kept = new Queue<byte[]>();
        var size = 0;
        await new ForeignReader(clock).ToEndAsync(Tail, async (buffer, until) => (await stream.ReadOutputAsync(buffer, 0, buffer.Length, until)).Count, part =>
        {
            kept.Enqueue(part.ToArray());
            size += part.Length;
            while (size - kept.Peek().Length > MostBytes)
            {
                size -= kept.Dequeue().Length;
            }
        }, cancel);
        return Encoding.UTF8.GetString([.. kept.SelectMany(b => b)]);
    }
}
