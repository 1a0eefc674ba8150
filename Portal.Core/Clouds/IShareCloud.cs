namespace Portal.Core.Clouds;

/// <summary>
/// Where shares live. A class has one share; a mounted share of a host is what containers bind. Every call may be repeated.
/// Every error is a <see cref="CloudException"/>.
/// </summary>
public interface IShareCloud
{
    /// <summary>What storage this is and whether its limits are enforced; throws with the reason where there is none.</summary>
    Task<StorageReport> PrepareAsync(CancellationToken cancel);

    /// <summary>The share of a class, with at most this many bytes in all.</summary>
    Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel);

    /// <summary>
    /// Lets one workspace's host reach one folder of the class share, the owner's work folder or a node's scratch folder, and mounts it there.
    /// Returns the path on that host to bind into containers. Rules and mounts carry workspace and generation.
    /// </summary>
    Task<string> AllowAsync(ShareAccess access, CancellationToken cancel);

    /// <summary>All mounts and rules of this installation that still trust a workspace.</summary>
    Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel);

    /// <summary>Unmounts on the workspace's host what this generation and older ones mounted. Only after no node of it is seen.</summary>
    Task UnmountAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>Takes the rules of this generation and older ones back. Only after the host has unmounted. Look at <see cref="AccessAsync"/> until they are gone.</summary>
    Task DenyAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>Unmounts the scratch folders of these nodes, of whatever generation, and nothing else of the workspace. Only after none of them is seen.</summary>
    Task UnmountAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel);

    /// <summary>Takes back the rules for the scratch folders of these nodes, after the host has unmounted them. Look at <see cref="AccessAsync"/> until they are gone.</summary>
    Task DenyAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel);
}

/// <summary>Folders inside shares with limits of their own. A limit is in bytes; one that was never set, or that the storage cannot hold, reads as 0.</summary>
public interface IFilesetCloud
{
    /// <summary>The work folder of a person in a class: owned by that uid, mode 0700, at most this many bytes. Grows and shrinks live; never loses a file.</summary>
    Task EnsureAsync(Guid classId, Guid personId, int uid, long limitBytes, CancellationToken cancel);

    /// <summary>Usage of everything, in one call where the storage can.</summary>
    Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel);

    /// <summary>The scratch folder of one node of a workspace: owned by that uid, mode 0700, at most this many bytes, and within the class's limit. What lies in it stays.</summary>
    Task EnsureScratchAsync(ScratchFolder folder, int uid, long limitBytes, CancellationToken cancel);

    /// <summary>Every scratch folder of the installation.</summary>
    Task<IReadOnlyList<ScratchFolder>> ScratchAsync(CancellationToken cancel);

    /// <summary>Removes scratch folders with all that is in them. Only after nothing mounts them. Look at <see cref="ScratchAsync"/> until they are gone.</summary>
    /// <param name="nodes">Which ones; null for all of the workspace.</param>
    Task RemoveScratchAsync(Guid classId, Guid workspace, IReadOnlyCollection<string>? nodes, CancellationToken cancel);
}

/// <param name="Scratch">Name of the node whose scratch folder is meant; null for the person's work folder.</param>
public sealed record ShareAccess(Guid Workspace, int Generation, Guid ClassId, Guid PersonId, string? Scratch = null);

/// <param name="Summary">One line for the Operations page.</param>
/// <param name="BlocksEnforced">False: usage is counted, nothing stops a writer, and pages say so.</param>
/// <param name="FreeBytes">What the storage can still really take: for a sparse file, the smaller of its own room and its host's.</param>
public sealed record StorageReport(string Summary, bool BlocksEnforced, long TotalBytes, long FreeBytes)
{
    /// <summary>The storage lost count and counts again: until that is done, limits may not hold.</summary>
    public bool Recounting { get; init; }
}

/// <summary>A folder of one node, for the engine's own data.</summary>
public sealed record ScratchFolder(Guid ClassId, Guid Workspace, string Node);

/// <summary>What one folder holds: a class share as a whole (scratch folders in it included), a person's work folder, or a node's scratch folder.</summary>
/// <param name="PersonId">Of a work folder; null for the others.</param>
public sealed record FilesetUsage(Guid ClassId, Guid? PersonId, long UsedBytes, long LimitBytes)
{
    /// <summary>Set for a scratch folder.</summary>
    public ScratchFolder? Scratch { get; init; }

    public bool IsShare => PersonId is null && Scratch is null;
}
