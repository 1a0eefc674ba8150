using System.Collections.Concurrent;
using System.Globalization;
using Docker.DotNet.Models;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// Readings of running nodes, from the kernel's own files: the engine's answer comes only at its next whole second (20.10), and it does not know
/// how often a child was killed for want of memory. Where the files are not to be seen (an engine in another cgroup namespace) the engine is asked.
/// </summary>
public sealed class NodeReadings(Engine engine, Owned owned, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, CgroupFiles> _files = new(StringComparer.Ordinal);

    public async Task<IReadOnlyList<NodeSample>> ReadAsync(CancellationToken cancel)
    {
        var running = (await engine.ListAsync(owned.Mine(workspace: null), cancel)).Where(c => ClusterLook.StateOf(c) == NodeState.Running).ToList();
        var samples = new ConcurrentBag<NodeSample>();
        await engine.EachAsync(running, async c =>
        {
            if ((FromFiles(c) ?? await FromEngineAsync(c, cancel)) is { } sample)
            {
                samples.Add(sample);
            }
        }, cancel, waitsOnly: true);
        foreach (var gone in _files.Keys.Except(running.Select(c => c.ID), StringComparer.Ordinal))
        {
            _files.TryRemove(gone, out _);
        }

        return [.. samples.OrderBy(s => s.Workspace).ThenBy(s => s.Node, StringComparer.Ordinal)];
    }

    private NodeSample? FromFiles(ContainerListResponse container)
    {
        if (!_files.TryGetValue(container.ID, out var files))
        {
            if (CgroupFiles.Find(container.ID) is not { } found)
            {
                return null;
            }

            files = _files.GetOrAdd(container.ID, found);
        }

        return files.Read() is { } now
            ? Sample(container, time.GetUtcNow(), now)
            : null; // it ended meanwhile
    }

    private async Task<NodeSample?> FromEngineAsync(ContainerListResponse container, CancellationToken cancel)
    {
        NodeSample? sample = null;
        var killed = false;
        await EngineTasks.IfThereAsync(async () =>
        {
            await engine.AskAsync(c => c.Containers.GetContainerStatsAsync(container.ID, new ContainerStatsParameters { Stream = false, OneShot = true }, new AtOnce<ContainerStatsResponse>(s =>
            {
                // A container that has just died answers with empty fields. Page cache that can be dropped is not counted; its name differs in cgroup v1 and v2.
                if (s is { MemoryStats: { Usage: { } usage, Stats: { } parts }, CPUStats.CPUUsage.TotalUsage: var cpu })
                {
                    var cache = parts.TryGetValue("total_inactive_file", out var v1) ? v1 : parts.TryGetValue("inactive_file", out var v2) ? v2 : 0;
                    var throttled = s.CPUStats.ThrottlingData?.ThrottledTime ?? 0;
                    sample = Sample(container, time.GetUtcNow(), new CgroupFiles.Values(Nanoseconds(cpu), Nanoseconds(throttled), (long)(usage - Math.Min(usage, cache)), (long)(s.MemoryStats.Limit ?? 0), 0, (int)(s.PidsStats?.Current ?? 0)));
                }
            }), cancel), cancel);
            killed = (await engine.AskAsync(c => c.Containers.InspectContainerAsync(container.ID, cancel), cancel)).State?.OOMKilled ?? false;
        });
        return killed && sample is not null ? sample with { OutOfMemoryKills = 1 } : sample;
    }

    private static TimeSpan Nanoseconds(ulong value) => TimeSpan.FromTicks((long)(value / 100));

    private static NodeSample Sample(ContainerListResponse c, DateTimeOffset at, CgroupFiles.Values v) =>
        new(ClusterLook.WorkspaceOf(c.Labels), ClusterLook.NodeOf(c.Labels), ClusterLook.GenerationOf(c.Labels), at, v.Cpu, v.Throttled, v.MemoryBytes, v.LimitBytes, v.OutOfMemoryKills, v.Pids, double.Parse(c.Labels[Owned.Vcpus], CultureInfo.InvariantCulture));
}

/// <summary>The files of one container's control groups, version 1 or 2, whichever driver made them.</summary>
/// <param name="Memory">Folder of the memory controller; with version 2 the one folder of all.</param>
internal sealed record CgroupFiles(bool Unified, string Memory, string Cpu, string CpuAccount, string Processes)
{
    private const string Root = "/sys/fs/cgroup";

    internal sealed record Values(TimeSpan Cpu, TimeSpan Throttled, long MemoryBytes, long LimitBytes, long OutOfMemoryKills, int Pids);

    /// <summary>Null when they cannot be seen from here.</summary>
    public static CgroupFiles? Find(string container)
    {
        foreach (var below in new[] { $"docker/{container}", $"system.slice/docker-{container}.scope" })
        {
            if (Directory.Exists($"{Root}/memory/{below}"))
            {
                return new CgroupFiles(false, $"{Root}/memory/{below}", Either("cpu", "cpu,cpuacct", below), Either("cpuacct", "cpu,cpuacct", below), $"{Root}/pids/{below}");
            }

            if (File.Exists($"{Root}/{below}/memory.current"))
            {
                var folder = $"{Root}/{below}";
                return new CgroupFiles(true, folder, folder, folder, folder);
            }
        }

        return null;
    }

    /// <summary>Null when the container ended.</summary>
    public Values? Read()
    {
        try
        {
            return Unified
                ? new Values(Microseconds(Field($"{Cpu}/cpu.stat", "usage_usec")), Microseconds(Field($"{Cpu}/cpu.stat", "throttled_usec")),
                    Math.Max(0, Number($"{Memory}/memory.current") - Field($"{Memory}/memory.stat", "inactive_file")), Number($"{Memory}/memory.max"),
                    Field($"{Memory}/memory.events", "oom_kill"), (int)Number($"{Processes}/pids.current"))
                : new Values(Nanoseconds(Number($"{CpuAccount}/cpuacct.usage")), Nanoseconds(Field($"{Cpu}/cpu.stat", "throttled_time")),
                    Math.Max(0, Number($"{Memory}/memory.usage_in_bytes") - Field($"{Memory}/memory.stat", "total_inactive_file")), Number($"{Memory}/memory.limit_in_bytes"),
                    Field($"{Memory}/memory.oom_control", "oom_kill"), (int)Number($"{Processes}/pids.current"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // removed under our hands; ENODEV is an IOException too
        }
    }

    private static string Either(string one, string other, string below) => Directory.Exists($"{Root}/{one}/{below}") ? $"{Root}/{one}/{below}" : $"{Root}/{other}/{below}";

    private static long Number(string file) => long.TryParse(File.ReadAllText(file).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0; // "max": none

    private static long Field(string file, string name)
    {
        foreach (var line in File.ReadLines(file))
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] == ' ')
            {
                return long.TryParse(line.AsSpan(name.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;
            }
        }

        return 0;
    }

    private static TimeSpan Microseconds(long value) => TimeSpan.FromTicks(value * 10);

    private static TimeSpan Nanoseconds(long value) => TimeSpan.FromTicks(value / 100);
}
