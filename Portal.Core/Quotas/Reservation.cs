using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.Quotas;

/// <summary>What a reservation is for; each ends separately, when its resource is confirmed gone.</summary>
public enum ReservationKind
{
    /// <summary>vCPU and memory of a workspace that is running or waiting to.</summary>
    Compute,
    /// <summary>The workspace itself, until it is deleted.</summary>
    Workspace,
    /// <summary>The hard limit of a work folder; outlives workspaces.</summary>
    Storage,
    /// <summary>The hard limit of a node's scratch folder; kept when the workspace stops, until it is confirmed removed.</summary>
    Scratch,
}

/// <summary>A reservation against the quotas of tenant, class and member. Made by the web process with its order; ended only by Jobs.</summary>
[Table("reservations")]
public sealed class Reservation
{
    public long Id { get; private set; }
    public Guid TenantId { get; init; }
    public Guid ClassId { get; init; }
    public Guid PersonId { get; init; }
    public Guid? WorkspaceId { get; init; }
    public Guid? WorkFolderId { get; init; }
    public ReservationKind Kind { get; init; }

    /// <summary>The node it is for, so that it ends when that node is confirmed gone; empty if it belongs to no node.</summary>
    public string Node { get; init; } = "";
    public int Vcpu { get; init; }
    public int MemoryMib { get; init; }
    public int StorageGib { get; init; }
    public int Workspaces { get; init; }
    public DateTimeOffset CreatedAt { get; private set; }
    public DateTimeOffset? EndedAt { get; private set; }
}

/// <summary>Capacity of a pool that a node uses; claimed and released only by Jobs' admission.</summary>
[Table("capacity_claims")]
public sealed class CapacityClaim
{
    public long Id { get; private set; }

    /// <summary>Where the node runs; stays the same whatever happens to the tenant.</summary>
    public required string PoolKey { get; init; }
    public Guid WorkspaceId { get; init; }
    public required string Node { get; init; }
    public long RunId { get; init; }
    public int Vcpu { get; init; }
    public int MemoryMib { get; init; }
    public DateTimeOffset CreatedAt { get; private set; }
    public DateTimeOffset? EndedAt { get; private set; }
}

/// <summary>One person's files in one class, shared by that person's workspaces there; outlives them.</summary>
[Table("work_folders")]
public sealed class WorkFolder
{
    public Guid Id { get; init; }
    public Guid TenantId { get; init; }
    public Guid ClassId { get; init; }
    public Guid PersonId { get; init; }

    /// <summary>Hard limit, GiB.</summary>
    public int LimitGib { get; init; }

    /// <summary>Blocks in use, bytes, as last read by Jobs; null before that, and if the storage does not report it.</summary>
    public long? UsedBytes { get; private set; }

    /// <summary>When Jobs last saw it; null before the first time.</summary>
    public DateTimeOffset? SeenAt { get; private set; }
}
