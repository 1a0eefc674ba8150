using Portal.Core.Quotas;

namespace Portal.Core.Operations;

/// <summary>Health of one thing that Jobs drives: "engine", "storage". Written by Jobs, shown by the web.</summary>
public sealed class CloudState
{
    public required string Name { get; init; }
    public bool Ok { get; set; }

    /// <summary>What it is, or what is wrong.</summary>
    public required string Says { get; set; }
    public string? Remedy { get; set; }
    public DateTimeOffset SeenAt { get; set; }
}

/// <summary>The one row of what the site can hold; measured or configured, written by Jobs.</summary>
public sealed class SiteState
{
    public int Id { get; init; } = 1;

    /// <summary>vCPU that may run at once, over-commitment included.</summary>
    public int CapacityVcpu { get; set; }
    public int CapacityMemoryMib { get; set; }

    /// <summary>vCPU of the largest node that there is a machine for; 0 while unknown.</summary>
    public int NodeVcpu { get; set; }

    /// <summary>MiB of the largest node that there is a machine for; 0 while unknown.</summary>
    public int NodeMemoryMib { get; set; }

    /// <summary>Launches that may be starting at once.</summary>
    public int LaunchesAtOnce { get; set; }

    /// <summary>0 while the storage was never measured: then the other figures of it say nothing.</summary>
    public long StorageTotalBytes { get; set; }
    public long StorageFreeBytes { get; set; }

    /// <summary>What students' folders hold, work and scratch together.</summary>
    public long StorageWrittenBytes { get; set; }

    /// <summary>False: usage of folders is counted only, nothing stops a writer; pages say so.</summary>
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
