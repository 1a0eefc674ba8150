using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.Metrics;

/// <summary>Measurements of a node over a time span. Short spans are kept for hours, rollups for longer.</summary>
[Table("samples")]
public sealed class Sample
{
    public Guid WorkspaceId { get; init; }
    public required string Node { get; init; }

    /// <summary>Start of the span.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Length of the span, seconds.</summary>
    public int Span { get; init; }

    /// <summary>Share of the CPU limit, 0 to 1: mean and maximum of the span.</summary>
    public double Cpu { get; init; }
    public double CpuMost { get; init; }

    /// <summary>Share of the span in which its CPU limit throttled it.</summary>
    public double Throttled { get; init; }

    /// <summary>Working set, bytes: mean and maximum.</summary>
    public long MemoryBytes { get; init; }
    public long MemoryMost { get; init; }
    public long MemoryLimitBytes { get; init; }

    /// <summary>Processes killed within the span because memory ran out, including child processes.</summary>
    public long OutOfMemoryKills { get; init; }

    /// <summary>Restarts since its workspace was started, as of the end of the span.</summary>
    public int Restarts { get; init; }

    /// <summary>Maximum number of processes and threads in the span.</summary>
    public int Pids { get; init; }

    /// <summary>Bytes within the span.</summary>
    public long NetIn { get; init; }
    public long NetOut { get; init; }
    public long DiskRead { get; init; }
    public long DiskWritten { get; init; }
}

/// <summary>A count reported by a compute engine over a span: workers, running tasks, applications, kernels.</summary>
[Table("counts")]
public sealed class Count
{
    public Guid WorkspaceId { get; init; }

    /// <summary>Id of the template's count, or "kernels", "terminals".</summary>
    public required string Name { get; init; }
    public DateTimeOffset At { get; init; }
    public int Span { get; init; }

    /// <summary>Mean and maximum.</summary>
    public double Value { get; init; }
    public double Most { get; init; }
}
