using System.Globalization;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>
/// What shares and filesets have in common: locations, whether blocks are enforced, one writer at a time, and the check of the kernel's accounting.
/// Every path is computed from ids under folders owned by root; root never enters a person's folder.
/// </summary>
public sealed class Storage(LocalStorageOptions options, TimeProvider time, ILogger<Storage> log) : IDisposable
{
    /// <summary>A threshold that no tree reaches: btrfs trees have at most 8 levels, numbered from 0.</summary>
    private const string HighestTree = "8";

    private readonly SemaphoreSlim _one = new(1);

    internal Btrfs Btrfs { get; } = new(time);

    internal LocalStorageOptions Options => options;

    /// <summary>Whether the kernel enforces limits; otherwise usage is only counted.</summary>
    internal bool BlocksEnforced => Mountinfo.Of(options.Folder, Mountinfo.Read())?.Kind == "btrfs";

    internal string ClassFolder(Guid classId) => Path.Combine(options.Folder, classId.ToString("n"));

    internal string PathOf(FolderRef folder) => folder switch
    {
        FolderRef.Work work => Path.Combine(ClassFolder(work.Class), work.Person.ToString("n")),
        FolderRef.Scratch scratch => new LocalScratch(this).PathOf(scratch),
        _ => throw new ArgumentOutOfRangeException(nameof(folder)),
    };

    internal static Guid ClassOf(FolderRef folder) => folder switch
    {
        FolderRef.Work work => work.Class,
        FolderRef.Scratch scratch => scratch.Class,
        _ => throw new ArgumentOutOfRangeException(nameof(folder)),
    };

    /// <summary>One change at a time.</summary>
    internal async Task<T> AloneAsync<T>(Func<Task<T>> action, CancellationToken cancel)
    {
        await _one.WaitAsync(cancel);
        try
        {
            return await action();
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>
    /// True while the kernel's accounting is inconsistent, and starts a rescan: a snapshot made by hand without its group stops the accounting silently,
    /// after which no limit is enforced. Newer kernels do the same when they delete a folder of some million files, unless told to count them all.
    /// </summary>
    internal async Task<bool> RecountsAsync(CancellationToken cancel)
    {
        if (QuotaGroups(options.Folder, "inconsistent") is not { } flag)
        {
            await Btrfs.EnableQuotaAsync(options.Folder, cancel);
            flag = QuotaGroups(options.Folder, "inconsistent");
        }

        if (QuotaGroups(options.Folder, "drop_subtree_threshold") is { } threshold
            && (await File.ReadAllTextAsync(threshold, cancel)).Trim() != HighestTree)
        {
            await File.WriteAllTextAsync(threshold, HighestTree, cancel);
        }

        if (flag is null || (await File.ReadAllTextAsync(flag, cancel)).Trim() == "0")
        {
            return false;
        }

        log.LogWarning("The quota accounting of {Folder} is inconsistent: limits may not be enforced until the rescan that is now starting has finished",
            options.Folder);
        await Btrfs.RescanAsync(options.Folder, cancel);
        return true;
    }

    /// <summary>
    /// Deletes the groups of removed subvolumes, which older kernels leave behind. Looks again while nobody creates a subvolume: for a moment
    /// a new one has a group but no path.
    /// </summary>
    internal async Task DeleteLeftOverGroupsAsync(CancellationToken cancel) => await AloneAsync(async () =>
    {
        foreach (var group in (await Btrfs.GroupsAsync(options.Folder, cancel)).Where(g => g.IsLeftOver))
        {
            await Btrfs.DeleteGroupAsync(group.Id, options.Folder, cancel);
        }

        return true;
    }, cancel);

    /// <summary>Total and free bytes; for a sparse file on a loop device never more than what the file system holding the file can still provide.</summary>
    internal (long Total, long Free, string Where) Capacity()
    {
        var own = new DriveInfo(options.Folder);
        var (total, free, where) = (own.TotalSize, own.AvailableFreeSpace, $"{own.DriveFormat} at {options.Folder}");
        if (Mountinfo.Of(options.Folder, Mountinfo.Read())?.Source is { } device
            && Path.GetFileName(device) is var name
            && name.StartsWith("loop", StringComparison.Ordinal)
            && File.Exists($"/sys/block/{name}/loop/backing_file")
            && File.ReadAllText($"/sys/block/{name}/loop/backing_file").Trim() is var file
            && File.Exists(file))
        {
            var host = new DriveInfo(Path.GetDirectoryName(file)!);
            free = Math.Min(free, host.AvailableFreeSpace);
            where = string.Create(CultureInfo.InvariantCulture, $"{where}, in the file {file} (its disk has {host.AvailableFreeSpace >> 30} GiB left)");
        }

        return (total, free, where);
    }

    /// <summary>
    /// The path in /sys of a file about the quota groups of the file system that holds this folder; null while quotas are off, or where the kernel
    /// has no such file.
    /// </summary>
    public static string? QuotaGroups(string folder, string file)
    {
        if (Mountinfo.Of(folder, Mountinfo.Read()) is not { Source: var source } || !Directory.Exists("/sys/fs/btrfs"))
        {
            return null;
        }

        var device = Path.GetFileName(File.Exists(source) ? File.ResolveLinkTarget(source, returnFinalTarget: true)?.FullName ?? source : source);
        return Directory.GetDirectories("/sys/fs/btrfs")
            .Where(d => Directory.Exists($"{d}/devices/{device}"))
            .Select(d => $"{d}/qgroups/{file}")
            .FirstOrDefault(File.Exists);
    }

    /// <summary>Throws unless this folder is owned by root (this process's account) and no one else can write to it.</summary>
    internal static void MustBeOurs(string folder)
    {
        if (Kernel.Look(folder) is not { } entry)
        {
            throw new CloudException(LocalShares.Service, CloudFault.Missing, $"{folder} does not exist",
                "Mount the shares' file system, or run infra/run again.");
        }

        if (!entry.IsFolder || entry.Uid != Kernel.Uid() || (entry.Mode & 0b010_010) != 0)
        {
            throw new CloudException(LocalShares.Service, CloudFault.Refused,
                $"{folder} has changed since the portal created it: it is not a folder, or others can write to it",
                "Check it on the portal's host; nothing was changed.");
        }
    }

    public void Dispose() => _one.Dispose();
}
