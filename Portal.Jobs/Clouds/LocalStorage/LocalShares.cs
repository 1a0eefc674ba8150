using System.Globalization;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>
/// Shares as subvolumes of a local btrfs: one per class, with a quota group above its people's subvolumes. A rule is a folder under
/// <see cref="LocalStorageOptions.Mounts"/> whose name says who gets access to what; that person's subvolume is mounted on it.
/// </summary>
public sealed class LocalShares(Storage storage) : IShareCloud
{
    public const string Service = "Local storage";
    private string Mounts => storage.Options.Mounts;

    public async Task<StorageReport> PrepareAsync(CancellationToken cancel)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new CloudException(Service, CloudFault.Denied, "without root, the portal cannot make students the owners of their folders",
                "Run Portal.Jobs as root.");
        }

        Storage.MustBeOurs(storage.Options.Folder);
        EnsureMounts();
        var recounts = storage.BlocksEnforced && await storage.RecountsAsync(cancel);
        var (total, free, where) = storage.Capacity();
        var limits = !storage.BlocksEnforced
            ? "usage is measured, limits are not enforced"
            : recounts
            ? "usage is being recounted: limits may not hold until that is done"
            : "limits are enforced";
        return new StorageReport($"{where}; {limits}", storage.BlocksEnforced, total, free) { Recounting = recounts };
    }

    public async Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel) => await storage.AloneAsync(async () =>
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limitBytes);
        Storage.MustBeOurs(storage.Options.Folder);
        var folder = storage.ClassFolder(classId);
        if (!storage.BlocksEnforced)
        {
            Kernel.MakeFolder(folder, 0x1C9); // 0711
            Storage.MustBeOurs(folder);
            return true;
        }

        if (Kernel.Look(folder) is null)
        {
            await storage.Btrfs.CreateAsync(folder, group: null, cancel);
        }

        MustBeSubvolume(folder);
        Kernel.Own(folder, Kernel.Uid(), 0, TraverseOnly);
        Storage.MustBeOurs(folder);
        var group = $"1/{await storage.Btrfs.IdAsync(folder, cancel)}";
        var known = (await storage.Btrfs.GroupsAsync(folder, cancel)).SingleOrDefault(g => g.Id == group);
        if (known is null)
        {
            await storage.Btrfs.CreateGroupAsync(group, folder, cancel);
        }

        if (known?.Limit != limitBytes)
        {
            await storage.Btrfs.LimitAsync(group, limitBytes, storage.Options.Folder, cancel);
            if ((await storage.Btrfs.GroupsAsync(folder, cancel)).SingleOrDefault(g => g.Id == group)?.Limit != limitBytes)
            {
                throw new CloudException(Service, CloudFault.Broken, "the limit of a class was set but did not take effect",
                    "Check `btrfs qgroup show -re` on the portal's host.");
            }
        }

        return true;
    }, cancel);

    public async Task<AccessAnswer> AllowAsync(ShareAccess access, string subnet, CancellationToken cancel) => await storage.AloneAsync(() =>
    {
        EnsureMounts();
        var source = storage.PathOf(access.Folder);
        if (Kernel.Look(source) is not { IsFolder: true })
        {
            throw new CloudException(Service, CloudFault.Missing, "there is no work folder to mount", "Create the work folder first.");
        }

        var target = Path.Combine(Mounts, NameOf(access));
        Kernel.MakeFolder(target, 0x1C0); // 0700
        if (!Mountinfo.Read().Any(m => m.Point == target))
        {
            Kernel.Bind(source, target);
        }

        return Task.FromResult<AccessAnswer>(new AccessAnswer.Active(new MountSource.HostPath(target)));
    }, cancel);

    public Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel)
    {
        // A rule without its mount gives access too, so both are reported. A mount always has its folder.
        cancel.ThrowIfCancellationRequested();
        return Task.FromResult<IReadOnlyList<ShareAccess>>([.. Rules().Select(r => r.Access)]);
    }

    public async Task<IReadOnlyList<ShareAccess>> AccessAsync(Guid workspace, CancellationToken cancel) =>
        [.. (await AccessAsync(cancel)).Where(a => a.Workspace == workspace)];

    public async Task UnmountAsync(ShareAccess access, CancellationToken cancel) => await storage.AloneAsync(() =>
    {
        foreach (var (_, path) in Rules().Where(r => r.Access == access))
        {
            Kernel.Unmount(path);
        }

        return Task.FromResult(true);
    }, cancel);

    public async Task<AccessAnswer> DenyAsync(ShareAccess access, CancellationToken cancel) => await storage.AloneAsync(() =>
    {
        var mounted = Mountinfo.Read().Select(m => m.Point).ToHashSet(StringComparer.Ordinal);
        foreach (var (_, path) in Rules().Where(r => r.Access == access))
        {
            if (mounted.Contains(path))
            {
                throw new CloudException(Service, CloudFault.Conflict, "the work folder is still mounted for this workspace", "Unmount it first.");
            }

            Kernel.RemoveFolder(path);
        }

        return Task.FromResult<AccessAnswer>(new AccessAnswer.Gone());
    }, cancel);

    internal const UnixFileMode TraverseOnly =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    internal static void MustBeSubvolume(string folder)
    {
        if (Kernel.Look(folder) is not { IsFolder: true, Inode: 256 })
        {
            throw new CloudException(Service, CloudFault.Refused, $"{folder} has changed since the portal created it: it is not a subvolume",
                "Check it on the portal's host; nothing was changed.");
        }
    }

    /// <summary>Workspace, generation and class; then the person of a work folder, or zeros and the node of a scratch folder. The name
    /// holds the whole rule, so a rule is never half-written.</summary>
    private static string NameOf(ShareAccess a) => $"{a.Workspace:n}-{a.Generation.ToString(CultureInfo.InvariantCulture)}-" + a.Folder switch
    {
        FolderRef.Work work => $"{work.Class:n}-{work.Person:n}",
        FolderRef.Scratch scratch => $"{scratch.Class:n}-{Guid.Empty:n}-{scratch.Node}",
        _ => throw new ArgumentOutOfRangeException(nameof(a)),
    };

    private static ShareAccess? Read(string name) =>
        name.Split('-', 5) is [var workspace, var generation, var classId, var personId, .. var node]
            && Guid.TryParseExact(workspace, "n", out var w)
            && Guid.TryParseExact(classId, "n", out var c)
            && Guid.TryParseExact(personId, "n", out var p)
            && int.TryParse(generation, NumberStyles.None, CultureInfo.InvariantCulture, out var g)
            ? new ShareAccess(w, g, node is [var of] ? new FolderRef.Scratch(c, w, of) : new FolderRef.Work(c, p))
            : null;

    private IEnumerable<(ShareAccess Access, string Path)> Rules() => Directory.Exists(Mounts)
        ? Directory.GetDirectories(Mounts)
            .Select(path => (Access: Read(Path.GetFileName(path)), path))
            .Where(r => r.Access is not null)
            .Select(r => (r.Access!, r.path))
        : [];

    private void EnsureMounts()
    {
        Kernel.MakeFolder(Mounts, 0x1C9); // 0711
        Storage.MustBeOurs(Mounts);
    }
}
