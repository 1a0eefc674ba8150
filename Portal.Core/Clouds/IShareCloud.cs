namespace Portal.Core.Clouds;

/// <summary>
/// Storage shares of one pool: one for a class, or one for each of its folders; hosts mount it and containers bind-mount from there. Every call may
/// be repeated. Every error is a <see cref="CloudException"/>.
/// </summary>
public interface IShareCloud
{
    /// <summary>Describes the storage and whether limits are enforced; throws with the reason if there is none.</summary>
    Task<StorageReport> PrepareAsync(CancellationToken cancel);

    /// <summary>The share of a class, with this many bytes as its limit. Storage with a share for each folder has none, and does nothing.</summary>
    Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel);

    /// <summary>
    /// Asks that the workspace's host may mount the folder, and says how far that is: <see cref="AccessAnswer.Asked"/>,
    /// <see cref="AccessAnswer.Active"/> or <see cref="AccessAnswer.Failed"/>. A cloud whose nodes run on this host mounts it here.
    /// </summary>
    /// <param name="subnet">The workspace's addresses, CIDR, known before any network exists: storage that trusts addresses may name them in its
    /// rule.</param>
    Task<AccessAnswer> AllowAsync(ShareAccess access, string subnet, CancellationToken cancel);

    /// <summary>
    /// Every rule that exists for this workspace, whatever its state: asked, active, in error or being denied. A mount exists only together with
    /// its rule. All releases depend on this list: what it leaves out is never revoked.
    /// </summary>
    Task<IReadOnlyList<ShareAccess>> AccessAsync(Guid workspace, CancellationToken cancel);

    /// <summary>The same for all workspaces of this installation in this pool; for sweeps.</summary>
    Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel);

    /// <summary>Removes the mount that the cloud made for this rule, if any. Only after no node that uses it is seen.</summary>
    Task UnmountAsync(ShareAccess access, CancellationToken cancel);

    /// <summary>
    /// Asks that the rule be revoked: <see cref="AccessAnswer.Asked"/>, or <see cref="AccessAnswer.Gone"/> once it is no longer in force. Only
    /// after the host has unmounted.
    /// </summary>
    Task<AccessAnswer> DenyAsync(ShareAccess access, CancellationToken cancel);
}

/// <summary>Folders inside shares with their own limits, in bytes. A limit that was never set, or that the storage cannot enforce, reads as 0.</summary>
public interface IFilesetCloud
{
    /// <summary>
    /// Begins to make the folder, owned by that uid, mode 0700, with this limit in bytes, or to resize it live, and says how far that is. Never loses a
    /// file: storage that cannot make a folder smaller leaves it as it is, and <see cref="UsageAsync"/> says how large it is.
    /// </summary>
    Task<EnsureAnswer> EnsureAsync(FolderRef folder, int uid, long limitBytes, CancellationToken cancel);

    /// <summary>Usage of everything, in one call if the storage supports it.</summary>
    Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel);

    /// <summary>The scratch folders of one workspace; none where they are on the nodes' own machines (<see cref="MountSource.OwnDisk"/>).</summary>
    Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(Guid workspace, CancellationToken cancel);

    /// <summary>Every scratch folder of the installation in this pool; for sweeps.</summary>
    Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(CancellationToken cancel);

    /// <summary>Removes a scratch folder with its contents. Only after nothing mounts it. Check <see cref="ScratchAsync(Guid, CancellationToken)"/>
    /// until it is gone.</summary>
    Task RemoveScratchAsync(FolderRef.Scratch folder, CancellationToken cancel);
}

/// <param name="Summary">One line for the Operations page.</param>
/// <param name="BlocksEnforced">False: usage is only counted, writers are not stopped, and pages say so.</param>
/// <param name="FreeBytes">What can actually still be written: for a sparse file, the smaller of its own free space and its host's.</param>
public sealed record StorageReport(string Summary, bool BlocksEnforced, long TotalBytes, long FreeBytes)
{
    /// <summary>The accounting is inconsistent and usage is being recounted: until that is done, limits may not be enforced.</summary>
    public bool Recounting { get; init; }
}

/// <summary>Usage of one folder, or of a whole class share including its scratch folders.</summary>
/// <param name="Folder">Null for the share.</param>
/// <param name="UsedBytes">Null if this storage does not report it, which says nothing about how much it is.</param>
public sealed record FilesetUsage(Guid ClassId, FolderRef? Folder, long? UsedBytes, long LimitBytes)
{
    /// <summary>What it takes of the storage's free space: what is used, or, where that is not reported, all that was set aside for it.</summary>
    public long TakenBytes => UsedBytes ?? LimitBytes;

    public bool IsShare => Folder is null;
}
