namespace Portal.Core.Clouds;

/// <summary>
/// Storage shares. A class has one share; hosts mount it and containers bind-mount from there. Every call may be repeated.
/// Every error is a <see cref="CloudException"/>.
/// </summary>
public interface IShareCloud
{
    /// <summary>Describes the storage and whether limits are enforced; throws with the reason if there is none.</summary>
    Task<StorageReport> PrepareAsync(CancellationToken cancel);

    /// <summary>The share of a class, with this many bytes as its limit.</summary>
    Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel);

    /// <summary>
    /// Gives one workspace's host access to one folder of the class share (the owner's work folder or a node's scratch folder) and mounts it there.
    /// Returns the path on that host to bind into containers. Rules and mounts carry workspace and generation.
    /// </summary>
    Task<string> AllowAsync(ShareAccess access, CancellationToken cancel);

    /// <summary>All mounts and rules of this installation that still give a workspace access.</summary>
    Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel);

    /// <summary>Unmounts on the workspace's host what this generation and older ones mounted. Only after none of its nodes is seen.</summary>
    Task UnmountAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>Revokes the rules of this generation and older ones. Only after the host has
    /// unmounted. Check <see cref="AccessAsync"/> until they are gone.</summary>
    Task DenyAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>Unmounts the scratch folders of these nodes, of any generation, and nothing else of the workspace. Only after none of them is seen.</summary>
    Task UnmountAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel);

    /// <summary>Revokes the rules for these nodes' scratch folders after the host has unmounted
    /// them. Check <see cref="AccessAsync"/> until they are gone.</summary>
    Task DenyAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel);
}

/// <summary>Folders inside shares with their own limits, in bytes. A limit that was never set, or that the storage cannot enforce, reads as 0.</summary>
public interface IFilesetCloud
{
    /// <summary>The work folder of a person in a class: owned by that uid, mode 0700, with this limit in bytes. Resizes live; never loses a file.</summary>
    Task EnsureAsync(Guid classId, Guid personId, int uid, long limitBytes, CancellationToken cancel);

    /// <summary>Usage of everything, in one call if the storage supports it.</summary>
    Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel);

    /// <summary>The scratch folder of one node of a workspace: owned by that uid, mode 0700, limited to
    /// this many bytes within the class's limit. Keeps its contents.</summary>
    Task EnsureScratchAsync(ScratchFolder folder, int uid, long limitBytes, CancellationToken cancel);

    /// <summary>Every scratch folder of the installation.</summary>
    Task<IReadOnlyList<ScratchFolder>> ScratchAsync(CancellationToken cancel);

    /// <summary>Removes scratch folders with their contents. Only after nothing mounts them. Check <see cref="ScratchAsync"/> until they are gone.</summary>
    /// <param name="nodes">Which ones; null for all of the workspace.</param>
    Task RemoveScratchAsync(Guid classId, Guid workspace, IReadOnlyCollection<string>? nodes, CancellationToken cancel);
}

/// <param name="Scratch">Name of the node whose scratch folder is meant; null for the person's work folder.</param>
public sealed record ShareAccess(Guid Workspace, int Generation, Guid ClassId, Guid PersonId, string? Scratch = null);

/// <param name="Summary">One line for the Operations page.</param>
/// <param name="BlocksEnforced">False: usage is only counted, writers are not stopped, and pages say so.</param>
/// <param name="FreeBytes">What can actually still be written: for a sparse file, the smaller of its own free space and its host's.</param>
public sealed record StorageReport(string Summary, bool BlocksEnforced, long TotalBytes, long FreeBytes)
{
    /// <summary>The accounting is inconsistent and usage is being recounted: until that is done, limits may not be enforced.</summary>
    public bool Recounting { get; init; }
}

/// <summary>A folder of one node, for the compute engine's data.</summary>
public sealed record ScratchFolder(Guid ClassId, Guid Workspace, string Node);

/// <summary>Usage of one folder: a whole class share (including its scratch folders), a person's work folder, or a node's scratch folder.</summary>
/// <param name="PersonId">Owner of a work folder; null for the others.</param>
public sealed record FilesetUsage(Guid ClassId, Guid? PersonId, long UsedBytes, long LimitBytes)
{
    /// <summary>Set for a scratch folder.</summary>
    public ScratchFolder? Scratch { get; init; }

    public bool IsShare => PersonId is null && Scratch is null;
}
