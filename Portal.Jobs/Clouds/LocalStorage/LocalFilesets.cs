using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>Work folders as subvolumes under the class's, each with its own limit within the class's.</summary>
public sealed class LocalFilesets(Storage storage) : IFilesetCloud
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public async Task<EnsureAnswer> EnsureAsync(FolderRef folder, int uid, long limitBytes, CancellationToken cancel)
    {
        await EnsureFolderAsync(Storage.ClassOf(folder), storage.PathOf(folder), uid, limitBytes, cancel);
        return EnsureAnswer.IsDone;
    }

    public Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return Task.FromResult(new LocalScratch(storage).List());
    }

    public async Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(Guid workspace, CancellationToken cancel) =>
        [.. (await ScratchAsync(cancel)).Where(f => f.Workspace == workspace)];

    public Task RemoveScratchAsync(FolderRef.Scratch folder, CancellationToken cancel) => new LocalScratch(storage).RemoveAsync(folder, cancel);

    /// <summary>One folder directly under the class share, with its own limit within the class's.</summary>
    private async Task EnsureFolderAsync(Guid classId, string folder, int uid, long limitBytes, CancellationToken cancel) =>
        await storage.AloneAsync(async () =>
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limitBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(uid, 1000);
        var share = storage.ClassFolder(classId);
        Storage.MustBeOurs(share);
        if (storage.BlocksEnforced)
        {
            await EnsureSubvolumeAsync(share, folder, limitBytes, cancel);
        }
        else
        {
            Kernel.MakeFolder(folder, 0x1C0); // 0700
        }

        var entry = Kernel.Look(folder);
        if (entry is not { IsFolder: true } || (entry.Uid != uid && entry.Uid != Kernel.Uid()))
        {
            throw new CloudException(LocalShares.Service, CloudFault.Refused, $"{folder} belongs to uid {entry?.Uid}, not to {uid}",
                "Check it on the portal's host; nothing was changed.");
        }

        if (entry.Uid != uid || entry.Gid != uid || entry.Mode != (uint)OwnerOnly)
        {
            Kernel.Own(folder, (uint)uid, (uint)uid, OwnerOnly); // this folder only: everything in it belongs to the person
        }

        return true;
    }, cancel);

    public async Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel)
    {
        if (!storage.BlocksEnforced)
        {
            return Counted(cancel);
        }

        // Until the rescan is done the kernel's counters start at zero: folders would seem empty, and their reservations unused.
        if (await storage.RecountsAsync(cancel))
            throw new CloudException(LocalShares.Service, CloudFault.Unavailable, "folder usage is being recounted",
                "Wait until that is done; the previous readings remain valid.");
        var groups = await storage.Btrfs.UsedNowAsync(storage.Options.Folder, cancel);
        if (groups.Any(g => g.IsLeftOver))
        {
            await storage.DeleteLeftOverGroupsAsync(cancel);
        }

        var above = groups.Where(g => g.Path.Length == 0).ToDictionary(g => g.Id, StringComparer.Ordinal);
        var top = Mountinfo.Of(storage.Options.Folder, Mountinfo.Read()) is { } mount
            ? (mount.Root.TrimEnd('/') + storage.Options.Folder[mount.Point.TrimEnd('/').Length..]).Trim('/')
            : "";
        var usage = new List<FilesetUsage>();
        foreach (var group in groups.Where(g => g.Path.Length > 0))
        {
            if (Scratch(top, group.Path) is { } scratch)
            {
                usage.Add(new FilesetUsage(scratch.Class, scratch, group.Used, group.Limit ?? 0));
                continue;
            }

            switch (Below(top, group.Path))
            {
                case [var classId] when above.TryGetValue($"1/{group.Id[(group.Id.IndexOf('/', StringComparison.Ordinal) + 1)..]}", out var share):
                    usage.Add(new FilesetUsage(classId, null, share.Used, share.Limit ?? 0));
                    break;
                case [var classId, var personId]:
                    usage.Add(new FilesetUsage(classId, new FolderRef.Work(classId, personId), group.Used, group.Limit ?? 0));
                    break;
            }
        }

        return usage;
    }

    private async Task EnsureSubvolumeAsync(string share, string folder, long limitBytes, CancellationToken cancel)
    {
        LocalShares.MustBeSubvolume(share);
        var group = $"1/{await storage.Btrfs.IdAsync(share, cancel)}";
        if (Kernel.Look(folder) is null)
        {
            await storage.Btrfs.CreateAsync(folder, group, cancel);
        }

        LocalShares.MustBeSubvolume(folder);
        var own = $"0/{await storage.Btrfs.IdAsync(folder, cancel)}";
        var known = await OwnAsync();
        if (!known.Parents.Contains(group, StringComparer.Ordinal))
        {
            throw new CloudException(LocalShares.Service, CloudFault.Refused,
                $"{folder} has changed since the portal created it: the class's limit does not cover it",
                "Check `btrfs qgroup show -p` on the portal's host; nothing was changed.");
        }

        if (known.Limit != limitBytes)
        {
            await storage.Btrfs.LimitAsync(own, limitBytes, storage.Options.Folder, cancel);
            if ((await OwnAsync()).Limit != limitBytes)
            {
                throw new CloudException(LocalShares.Service, CloudFault.Broken, "a limit was set but did not take effect",
                    "Check `btrfs qgroup show -re` on the portal's host.");
            }
        }

        async Task<QuotaGroup> OwnAsync() => (await storage.Btrfs.GroupsOfAsync(folder, cancel)).SingleOrDefault(g => g.Id == own)
            ?? throw new CloudException(LocalShares.Service, CloudFault.Broken, $"the kernel does not track usage of {folder}",
                "Check `btrfs qgroup show` on the portal's host.");
    }

    private static string[] Parts(string top, string path) =>
        (top.Length == 0 ? path : path.StartsWith(top + "/", StringComparison.Ordinal) ? path[(top.Length + 1)..] : "").Split('/');

    private static FolderRef.Scratch? Scratch(string top, string path) =>
        Parts(top, path) is [var share, var folder] && Guid.TryParseExact(share, "n", out var classId) ? LocalScratch.Read(classId, folder) : null;

    private static Guid[] Below(string top, string path)
    {
        var ids = Parts(top, path).Select(part => Guid.TryParseExact(part, "n", out var id) ? id : Guid.Empty).ToArray();
        return ids.Contains(Guid.Empty) ? [] : ids;
    }

    /// <summary>Without btrfs: sums file sizes. Follows no link and skips what cannot be read; reports no limit, because none is enforced.</summary>
    private List<FilesetUsage> Counted(CancellationToken cancel)
    {
        var usage = new List<FilesetUsage>();
        foreach (var (classId, share) in Named(storage.Options.Folder))
        {
            var people = Named(share).Select(p => new FilesetUsage(classId, new FolderRef.Work(classId, p.Id), Size(p.Path, cancel), 0)).ToList();
            usage.Add(new FilesetUsage(classId, null, Size(share, cancel), 0));
            usage.AddRange(people);
        }

        var scratch = new LocalScratch(storage);
        foreach (var folder in scratch.List())
        {
            usage.Add(new FilesetUsage(folder.Class, folder, Size(scratch.PathOf(folder), cancel), 0));
        }

        return usage;
    }

    private static IEnumerable<(Guid Id, string Path)> Named(string folder) =>
        Directory.GetDirectories(folder)
            .Select(path => (Guid.TryParseExact(Path.GetFileName(path), "n", out var id) ? id : Guid.Empty, path))
            .Where(d => d.Item1 != Guid.Empty);

    private static long Size(string folder, CancellationToken cancel)
    {
        // ReparsePoint: links are neither followed nor counted.
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        var size = 0L;
        try
        {
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", options))
            {
                cancel.ThrowIfCancellationRequested();
                size += file.Exists ? file.Length : 0;
            }
        }
        catch (DirectoryNotFoundException)
        {
            // a scratch folder was removed in the meantime
        }

        return size;
    }
}
