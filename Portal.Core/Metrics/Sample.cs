namespace Portal.Core.Metrics;

/// <summary>How a node did during a span of time. Fine spans are kept for hours, coarser ones for longer.</summary>
public sealed class Sample
{
    public Guid WorkspaceId { get; init; }
    public required string Node { get; init; }

    /// <summary>Begin of the span.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Length of the span, seconds.</summary>
    public int Span { get; init; }

    /// <summary>Share of the CPU limit, 0 to 1: mean and highest of the span.</summary>
    public double Cpu { get; init; }
    public double CpuMost { get; init; }

    /// <summary>Share of the span in which it was held back by its CPU limit.</summary>
    public double Throttled { get; init; }

    /// <summary>Working set, bytes: mean and highest.</summary>
    public long MemoryBytes { get; init; }
    public long MemoryMost { get; init; }
    public long MemoryLimitBytes { get; init; }

    /// <summary>Processes that were ended within the span because memory ran out, those of children included.</summary>
    public long OutOfMemoryKills { get; init; }

    /// <summary>How often it had been begun again by the end of the span, since its workspace was started.</summary>
    public int Restarts { get; init; }

    /// <summary>Processes and threads, the most of the span.</summary>
    public int Pids { get; init; }

    /// <summary>Bytes within the span.</summary>
    public long NetIn { get; init; }
    public long NetOut { get; init; }
    public long DiskRead { get; init; }
    public long DiskWritten { get; init; }
}

/// <summary>What an engine counted during a span: workers, running tasks, applications, kernels.</summary>
public sealed class Count
{
    public Guid WorkspaceId { get; init; }

    /// <summary>Id of the template's count, or "kernels", "terminals".</summary>
    public required string Name { get; init; }
    public DateTimeOffset At { get; init; }
    public int Span { get; init; }

    /// <summary>Mean and highest.</summary>
    public double Value { get; init; }
    public double Most { get; init; }
}
