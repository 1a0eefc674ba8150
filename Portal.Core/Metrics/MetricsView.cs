using System.Collections.Immutable;

namespace Portal.Core.Metrics;

/// <summary>How much of the history to show.</summary>
public enum MetricsWindow { Hour, Day, Month }

/// <summary>A workspace's history, in at most <see cref="MetricsReader.MostPoints"/> points per node.</summary>
/// <param name="Step">Duration of one point.</param>
/// <param name="Nodes">By name.</param>
/// <param name="Counts">By id: "kernels", "busy-kernels", "terminals" and the counts of the compute engine.</param>
public sealed record MetricsView(MetricsWindow Window, DateTimeOffset From, DateTimeOffset To, TimeSpan Step, ImmutableArray<NodeMetrics> Nodes,
    ImmutableArray<CountMetrics> Counts)
{
    /// <summary>All nodes together; null if nothing was measured.</summary>
    public NodeMetrics? Cluster =>
        Nodes.Length < 2 ? Nodes.FirstOrDefault() : new("", [.. Nodes.SelectMany(n => n.Points).GroupBy(p => p.At).OrderBy(g => g.Key).Select(Together)]);

    /// <summary>Shares are means over the nodes; amounts are sums. The maximum of a sum is unknown; the sum of the maxima is an upper bound.</summary>
    private static MetricPoint Together(IGrouping<DateTimeOffset, MetricPoint> at) => new(
        at.Key, at.Average(p => p.Cpu), at.Average(p => p.CpuMost), at.Average(p => p.Throttled), at.Sum(p => p.MemoryBytes),
        at.Sum(p => p.MemoryMost), at.Sum(p => p.MemoryLimitBytes),
        at.Sum(p => p.OutOfMemoryKills), at.Sum(p => p.Restarts), at.Sum(p => p.Pids), at.Sum(p => p.NetIn), at.Sum(p => p.NetOut),
        at.Sum(p => p.DiskRead), at.Sum(p => p.DiskWritten));
}

/// <param name="Points">Oldest first; gaps where nothing was measured.</param>
public sealed record NodeMetrics(string Node, ImmutableArray<MetricPoint> Points);

/// <param name="At">Start of the step.</param>
/// <param name="Cpu">Share of the limit, 0 to 1: mean and maximum.</param>
/// <param name="Throttled">Share of the time in which its CPU limit throttled it.</param>
/// <param name="MemoryBytes">Working set: mean and maximum.</param>
/// <param name="OutOfMemoryKills">Processes killed in this step because memory ran out.</param>
/// <param name="Restarts">Number of restarts so far.</param>
/// <param name="NetIn">Bytes per second, like the next three.</param>
public sealed record MetricPoint(
    DateTimeOffset At, double Cpu, double CpuMost, double Throttled, long MemoryBytes, long MemoryMost, long MemoryLimitBytes, long OutOfMemoryKills,
    int Restarts, int Pids,
    double NetIn, double NetOut, double DiskRead, double DiskWritten);

/// <param name="Title">Display name of what it counts; null for the counts that every notebook has.</param>
public sealed record CountMetrics(string Id, string? Title, ImmutableArray<CountPoint> Points);

public sealed record CountPoint(DateTimeOffset At, double Value, double Most);
