using System.Collections.Immutable;

namespace Portal.Core.Metrics;

/// <summary>How much of the past to show.</summary>
public enum MetricsWindow { Hour, Day, Month }

/// <summary>A workspace's past, in at most <see cref="MetricsReader.MostPoints"/> points a node.</summary>
/// <param name="Step">Time that one point stands for.</param>
/// <param name="Nodes">By name.</param>
/// <param name="Counts">By id: "kernels", "busy-kernels", "terminals" and what the engine counts.</param>
public sealed record MetricsView(MetricsWindow Window, DateTimeOffset From, DateTimeOffset To, TimeSpan Step, ImmutableArray<NodeMetrics> Nodes, ImmutableArray<CountMetrics> Counts)
{
    /// <summary>All nodes together; null where nothing was measured.</summary>
    public NodeMetrics? Cluster => Nodes.Length < 2 ? Nodes.FirstOrDefault() : new("", [.. Nodes.SelectMany(n => n.Points).GroupBy(p => p.At).OrderBy(g => g.Key).Select(Together)]);

    /// <summary>Shares are means over the nodes; amounts are sums. The highest of a sum is not known, only that it is no more than the sum of the highest.</summary>
    private static MetricPoint Together(IGrouping<DateTimeOffset, MetricPoint> at) => new(
        at.Key, at.Average(p => p.Cpu), at.Average(p => p.CpuMost), at.Average(p => p.Throttled), at.Sum(p => p.MemoryBytes), at.Sum(p => p.MemoryMost), at.Sum(p => p.MemoryLimitBytes),
        at.Sum(p => p.OutOfMemoryKills), at.Sum(p => p.Restarts), at.Sum(p => p.Pids), at.Sum(p => p.NetIn), at.Sum(p => p.NetOut), at.Sum(p => p.DiskRead), at.Sum(p => p.DiskWritten));
}

/// <param name="Points">Oldest first; where nothing was measured there is none.</param>
public sealed record NodeMetrics(string Node, ImmutableArray<MetricPoint> Points);

/// <param name="At">Begin of the step.</param>
/// <param name="Cpu">Share of the limit, 0 to 1: mean, and the highest.</param>
/// <param name="Throttled">Share of the time in which it was held back by its limit.</param>
/// <param name="MemoryBytes">Working set: mean, and the highest.</param>
/// <param name="OutOfMemoryKills">Processes ended in this step for want of memory.</param>
/// <param name="Restarts">So far.</param>
/// <param name="NetIn">Bytes a second, as are the three that follow.</param>
public sealed record MetricPoint(
    DateTimeOffset At, double Cpu, double CpuMost, double Throttled, long MemoryBytes, long MemoryMost, long MemoryLimitBytes, long OutOfMemoryKills, int Restarts, int Pids,
    double NetIn, double NetOut, double DiskRead, double DiskWritten);

/// <param name="Title">What it counts, for people; null for those that every notebook has.</param>
public sealed record CountMetrics(string Id, string? Title, ImmutableArray<CountPoint> Points);

public sealed record CountPoint(DateTimeOffset At, double Value, double Most);
