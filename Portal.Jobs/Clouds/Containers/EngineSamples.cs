using System.Globalization;
using Docker.DotNet.Models;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>
/// Readings of nodes through the container engine alone, where the kernel's files about them are not ours to read. It knows whether a container was killed
/// because memory ran out, not how often, and not whether a child was.
/// </summary>
public static class EngineSamples
{
    /// <summary>A reading of a running node; null if it exited in the meantime, or if the container engine does not answer for it in time.</summary>
    /// <param name="container">With the labels of <see cref="Owned.Labels(ClusterPlan, NodePlan, string)"/>.</param>
    public static Task<NodeSample?> ReadAsync(ContainerEngine engine, ContainerListResponse container, TimeProvider time, CancellationToken cancel) =>
        ContainerEngineTasks.OfOneAsync(time, late => AskAsync(engine, container, time, late), cancel);

    private static async Task<NodeSample?> AskAsync(ContainerEngine engine, ContainerListResponse container, TimeProvider time, CancellationToken cancel)
    {
        NodeSample? sample = null;
        await ContainerEngineTasks.IfThereAsync(() => engine.CallAsync(c =>
            c.Containers.GetContainerStatsAsync(container.ID, new ContainerStatsParameters { Stream = false, OneShot = true },
                new SynchronousProgress<ContainerStatsResponse>(s => sample = SampleOf(container, s, time.GetUtcNow())), cancel), cancel));
        return sample is not null && await NodeContainers.RanOutOfMemoryAsync(engine, container.ID, cancel)
            ? sample with { OutOfMemoryKills = 1 }
            : sample;
    }

    /// <summary>Null for a container that has just died: its fields are empty.</summary>
    internal static NodeSample? SampleOf(ContainerListResponse c, ContainerStatsResponse s, DateTimeOffset at)
    {
        if (s is not { MemoryStats: { Usage: { } usage, Stats: { } parts }, CPUStats.CPUUsage.TotalUsage: var cpu }) return null;
        // Page cache that can be dropped is not counted; its name differs in cgroup v1 and v2.
        var cache = parts.TryGetValue("total_inactive_file", out var v1) ? v1 : parts.TryGetValue("inactive_file", out var v2) ? v2 : 0;
        return new(Owned.WorkspaceOf(c.Labels), Owned.NodeOf(c.Labels), Owned.GenerationOf(c.Labels), at, Nanoseconds(cpu),
            Nanoseconds(s.CPUStats.ThrottlingData?.ThrottledTime ?? 0), (long)(usage - Math.Min(usage, cache)), (long)(s.MemoryStats.Limit ?? 0),
            OutOfMemoryKills: 0, (int)(s.PidsStats?.Current ?? 0), double.Parse(c.Labels[Owned.Vcpus], CultureInfo.InvariantCulture))
        {
            Net = NetOf(s),
            Disk = DiskOf(s),
        };
    }

    /// <summary>Null in the host's own network, whose traffic is not the node's alone.</summary>
    private static Traffic? NetOf(ContainerStatsResponse s) =>
        s.Networks is { Count: > 0 } all ? new((long)all.Values.Sum(n => (decimal)n.RxBytes), (long)all.Values.Sum(n => (decimal)n.TxBytes)) : null;

    private static Traffic? DiskOf(ContainerStatsResponse s)
    {
        return s.BlkioStats?.IoServiceBytesRecursive is { Count: > 0 } all ? new(Of("read"), Of("write")) : null;

        long Of(string what) => (long)all.Where(e => string.Equals(e.Op, what, StringComparison.OrdinalIgnoreCase)).Sum(e => (decimal)e.Value);
    }

    private static TimeSpan Nanoseconds(ulong value) => TimeSpan.FromTicks((long)(value / 100));
}
