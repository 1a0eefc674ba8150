using Portal.Core.Quotas;

namespace Portal.Core.Operations;

/// <summary>Health of one component that Jobs manages: "engine", "storage". Written by Jobs, shown by the web process.</summary>
public sealed class CloudState
{
    public required string Name { get; init; }
    public bool Ok { get; set; }

    /// <summary>What it is, or what is wrong.</summary>
    public required string Message { get; set; }
    public string? Remedy { get; set; }
    public DateTimeOffset SeenAt { get; set; }
}

/// <summary>The single row with the capacity of the site; measured or configured, written by Jobs.</summary>
public sealed class SiteState
{
    public int Id { get; init; } = 1;

    /// <summary>vCPU that may run at once, over-commitment included.</summary>
    public int CapacityVcpu { get; set; }
    public int CapacityMemoryMib { get; set; }

    /// <summary>vCPU of the largest node that any machine can hold; 0 while unknown.</summary>
    public int NodeVcpu { get; set; }

    /// <summary>Memory in MiB of the largest node that any machine can hold; 0 while unknown.</summary>
    public int NodeMemoryMib { get; set; }

    /// <summary>Launches at once.</summary>
    public int LaunchesAtOnce { get; set; }

    /// <summary>0 while the storage was never measured; its other figures are then meaningless.</summary>
    public long StorageTotalBytes { get; set; }
    public long StorageFreeBytes { get; set; }

    /// <summary>Bytes used by students' folders, work and scratch together.</summary>
    public long StorageWrittenBytes { get; set; }

    /// <summary>False: folder usage is only counted, writers are not stopped, and pages say so.</summary>
    public bool BlocksEnforced { get; set; }

    /// <summary>Below this many free bytes no launch is accepted.</summary>
    public long StorageReserveBytes { get; set; }
    public DateTimeOffset UpdatedAt { get; set; }

    public bool StorageIsKnown => StorageTotalBytes > 0;

    /// <summary>What may run at once; null while unknown.</summary>
    public Amounts? KnownCapacity => CapacityVcpu > 0 ? Capacity : null;

    /// <summary>What may run at once, vCPU and memory.</summary>
    public Amounts Capacity => new(CapacityVcpu, CapacityMemoryMib, 0, 0);

    /// <summary>The largest single node; null while unknown.</summary>
    public Amounts? LargestNode => NodeVcpu > 0 ? new(NodeVcpu, NodeMemoryMib, 0, 0) : null;
}
