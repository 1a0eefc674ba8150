using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations.Schema;
using Portal.Core.Quotas;

namespace Portal.Core.Clouds;

/// <summary>A place where clusters run and folders are stored. What Jobs sees of it is in its pools. Jobs keeps it up to date.</summary>
[Table("clouds")]
public sealed class Cloud
{
    public required string Key { get; init; }

    /// <summary>The adapter it is reached through, such as "docker".</summary>
    public required string Kind { get; init; }

    /// <summary>Name for pages, which show it where it has more than one pool.</summary>
    public required string Title { get; set; }

    /// <summary>Launches at once, over all of its pools.</summary>
    public int LaunchesAtOnce { get; set; }
}

/// <param name="Message">What it is, or what is wrong.</param>
public sealed record ServiceState(bool Ok, string Message, string? Remedy)
{
    public static readonly ServiceState Unknown = new(Ok: false, "", null);
}

/// <summary>One service of a cloud as a pool reaches it, for pages.</summary>
/// <param name="Name">"clusters" or "storage".</param>
public sealed record PoolService(Pool Pool, string Name, ServiceState State, DateTimeOffset SeenAt);

/// <summary>
/// What a cloud lets one project use, as Jobs last saw it with the project's credential: services, capacity, storage, the claims on it and the queue
/// for it. The tenants of a project share its pool; a cloud without projects has a single pool. Jobs keeps it up to date.
/// </summary>
[Table("pools")]
public sealed class Pool
{
    public required string Key { get; init; }
    public required string CloudKey { get; init; }

    /// <summary>Name of the credential that opens the project, never the credential; null where a cloud needs none.</summary>
    public string? Credential { get; init; }

    /// <summary>Name for pages, which show it where there is more than one pool.</summary>
    public required string Title { get; set; }

    /// <summary>State of what runs the nodes.</summary>
    public ServiceState Clusters { get; set; } = ServiceState.Unknown;

    /// <summary>State of what keeps the folders.</summary>
    public ServiceState Storage { get; set; } = ServiceState.Unknown;

    /// <summary>What its nodes reach outside their workspace, in one line.</summary>
    public string Egress { get; set; } = "";

    /// <summary>When Jobs last looked; null before the first time.</summary>
    public DateTimeOffset? SeenAt { get; set; }

    /// <summary>vCPU that may run at once, over-commitment included; 0 while unknown.</summary>
    public int CapacityVcpu { get; set; }

    /// <summary>0 while unknown.</summary>
    public int CapacityMemoryMib { get; set; }

    /// <summary>vCPU of the largest node that any machine can hold; 0 while unknown.</summary>
    public int NodeVcpu { get; set; }

    /// <summary>Memory in MiB of the largest node that any machine can hold; 0 while unknown.</summary>
    public int NodeMemoryMib { get; set; }

    /// <summary>What nodes occupy in it.</summary>
    public Machines Machines { get; set; } = Machines.Exact;

    /// <summary>0 while the storage was never measured; its other figures are then meaningless.</summary>
    public long StorageTotalBytes { get; set; }
    public long StorageFreeBytes { get; set; }

    /// <summary>What students' folders, work and scratch together, take of the free space: the bytes used, or where the storage does not report
    /// those, all that it has set aside for them.</summary>
    public long StorageWrittenBytes { get; set; }

    /// <summary>False: folder usage is only counted, writers are not stopped, and pages say so.</summary>
    public bool BlocksEnforced { get; set; }

    /// <summary>Below this many free bytes no launch is accepted.</summary>
    public long StorageReserveBytes { get; set; }

    public bool StorageIsKnown => StorageTotalBytes > 0;

    /// <summary>The largest single node; null while unknown.</summary>
    public Amounts? LargestNode => NodeVcpu > 0 ? new(NodeVcpu, NodeMemoryMib, 0, 0) : null;

    /// <summary>What may run at once, vCPU and memory.</summary>
    public Amounts Capacity => new(CapacityVcpu, CapacityMemoryMib, 0, 0);

    /// <summary>The same; null while unknown.</summary>
    public Amounts? KnownCapacity => CapacityVcpu > 0 ? Capacity : null;

    /// <summary>Its services with their state; none before Jobs has looked.</summary>
    public ImmutableArray<PoolService> Services => SeenAt is not { } at
        ? []
        : [new(this, "clusters", Clusters, at), new(this, "storage", Storage, at)];
}

/// <summary>Where the workspaces of a tenant run.</summary>
/// <param name="Title">Name of the pool; null where there is only one, because then it says nothing.</param>
public sealed record Placement(Cloud Cloud, Pool Pool, string? Title);
