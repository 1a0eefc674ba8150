using System.Globalization;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// Work folders as Manila shares, one each (record 022). The share's size is the folder's limit, in whole GiB, rounded up. The folder inside it that
/// belongs to the person alone is made by the node, as the person. Scratch folders are on the nodes' own disks.
/// </summary>
internal sealed class ManilaFolders(Manila manila, ManilaNames names, OpenStackOptions options, TimeProvider clock, ILogger<ManilaFolders> log)
    : IFilesetCloud
{
    private const string Protocol = "NFS";

    /// <summary>How long after storage did not make a folder smaller it is not asked to again.</summary>
    private static readonly TimeSpan ShrinkAgain = TimeSpan.FromDays(1);

    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(500);

    public async Task<EnsureAnswer> EnsureAsync(FolderRef folder, int uid, long limitBytes, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limitBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(uid, 1000);
        if (folder is not FolderRef.Work work) return EnsureAnswer.IsDone;
        var gib = GibOf(limitBytes);
        if (await FindAsync(work, cancel) is not { } share)
        {
            await manila.CreateAsync(names.NameOf(work), gib, Protocol, options.ShareType, names.Of(work), cancel);
            return new EnsureAnswer.Working("The storage is creating the folder.", Soon);
        }
        if (share.IsBroken) return await BrokenAsync(share, cancel);
        if (!share.IsUsable) return new EnsureAnswer.Working($"The storage is changing the folder ({share.Status}).", Soon);
        if (!share.Metadata.ContainsKey(ManilaNames.Ready))
            await manila.DescribeAsync(share.Id, ManilaNames.IsReady, cancel);
        await LockAsync(share, cancel);
        if (share.IsShrinkFailed) return await ShrinkFailedAsync(share, gib, cancel);
        if (share.SizeGib < gib)
        {
            await ResizeAsync(share, () => manila.ExtendAsync(share.Id, gib, cancel), cancel);
            return new EnsureAnswer.Working("The storage is enlarging the folder.", Soon);
        }
        // Acceptance proves nothing: the next call sees the new size, or that it has not changed.
        if (share.SizeGib == gib || await ShrinkRefusedAsync(share, gib, cancel)) return EnsureAnswer.IsDone;
        await ResizeAsync(share, async () =>
        {
            await manila.ShrinkAsync(share.Id, gib, cancel);
            await manila.DescribeAsync(share.Id, ManilaNames.Shrinks(gib, clock.GetUtcNow()), cancel);
        }, cancel);
        return new EnsureAnswer.Working("The storage is making the folder smaller.", Soon);
    }

    /// <summary>Manila knows sizes, not what is written. A share that is being deleted is no folder any more.</summary>
    public async Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel)
    {
        var folders = from share in await manila.SharesWithAsync(names.Ours, cancel)
                      let folder = names.FolderOf(share)
                      where folder is not null && share.Status != "deleting"
                      group share by folder into same
                      select new FilesetUsage(same.Key.Class, same.Key, null, (long)Chosen(same).SizeGib << 30);
        var all = folders.ToList();
        return [.. all, .. all.GroupBy(f => f.ClassId).Select(c => new FilesetUsage(c.Key, null, null, c.Sum(f => f.LimitBytes)))];
    }

    public Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(Guid workspace, CancellationToken cancel) => ScratchAsync(cancel);

    public Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(CancellationToken cancel) => Task.FromResult<IReadOnlyList<FolderRef.Scratch>>([]);

    public Task RemoveScratchAsync(FolderRef.Scratch folder, CancellationToken cancel) => Task.CompletedTask;

    /// <summary>
    /// The share of a work folder; null if there is none. Manila does not keep names unique: of several, which only a late call can have made, the
    /// oldest of those that may hold files is the folder. A conflict if the only one with the folder's name does not say that it is this folder's:
    /// it may hold the files, and an empty one beside it would hide them.
    /// </summary>
    public async Task<ManilaShare?> FindAsync(FolderRef.Work folder, CancellationToken cancel)
    {
        var named = (await manila.SharesNamedAsync(names.NameOf(folder), cancel)).Where(s => s.Status != "deleting").ToList();
        var found = named.Where(s => names.FolderOf(s) == folder).ToList();
        if (found.Count == 0)
            return named.Count == 0 ? null : throw new CloudException(Services.Manila, CloudFault.Conflict,
                $"the share {named[0].Id} has the name of a work folder, {named[0].Name}, but its metadata does not say that it is one",
                "If it holds the folder's files, restore its metadata: openstack share set "
                + string.Join(' ', names.Of(folder).Select(m => $"--property {m.Key}={m.Value}")) + $" --property {ManilaNames.Ready}=1 {named[0].Id}. "
                + "Otherwise rename or delete it.");
        var chosen = Chosen(found);
        if (found.Count > 1)
            log.LogWarning("The work folder {Name} has {Count} shares; {Share}, the oldest that may hold files, is used. Check the others and delete them.",
                names.NameOf(folder), found.Count, chosen.Id);
        return chosen;
    }

    /// <summary>Every share that says it is this folder, whatever its name: each may have rules.</summary>
    public async Task<IReadOnlyList<ManilaShare>> AllAsync(FolderRef.Work folder, CancellationToken cancel) =>
        [.. (await manila.SharesWithAsync(names.Of(folder), cancel)).Where(s => names.FolderOf(s) == folder && s.Status != "deleting")];

    /// <summary>Whole GiB, rounded up, at least one.</summary>
    public static int GibOf(long bytes) => (int)Math.Max(1, (bytes + (1L << 30) - 1) >> 30);

    /// <summary>Why it is broken. One that never was available holds no file, and is deleted: the next attempt makes another.</summary>
    public async Task<EnsureAnswer.Broken> BrokenAsync(ManilaShare share, CancellationToken cancel)
    {
        var said = await manila.CauseAsync(share.Id, DateTimeOffset.MinValue, null, cancel);
        var cause = $"The storage reports the share {share.Id} as \"{share.Status}\"{(said is null ? "." : $": {said}")}";
        if (share.Status != "error" || share.Metadata.ContainsKey(ManilaNames.Ready))
            return new(cause, $"Ask the administrators of the OpenStack cloud to repair the share; nothing was removed from it. Once it is repaired, run: "
                + $"openstack share set --status available {share.Id}");
        await manila.DeleteAsync(share.Id, cancel);
        return new(cause, "Try again; if it happens again, ask the administrators of the OpenStack cloud.");
    }

    /// <summary>
    /// A list may show a share that is being resized as available, and still at its old size. Then the same is asked for again, and refused, which is no
    /// fault if the share is at another size by now.
    /// </summary>
    private async Task ResizeAsync(ManilaShare share, Func<Task> ask, CancellationToken cancel)
    {
        try { await ask(); }
        catch (CloudException e) when (e.Fault is CloudFault.Refused or CloudFault.Conflict)
        {
            if (await manila.ShareAsync(share.Id, cancel) is not { } now || (now.SizeGib == share.SizeGib && now.IsAvailable)) throw;
        }
    }

    private static ManilaShare Chosen(IEnumerable<ManilaShare> same) => same.OrderByDescending(s => s.Metadata.ContainsKey(ManilaNames.Ready))
        .ThenBy(s => s.CreatedAt, StringComparer.Ordinal).ThenBy(s => s.Id, StringComparer.Ordinal).First();

    private async Task<bool> ShrinkRefusedAsync(ManilaShare share, int gib, CancellationToken cancel)
    {
        var since = clock.GetUtcNow() - ShrinkAgain;
        var why = await manila.CauseAsync(share.Id, since, ManilaActions.Shrink, cancel);
        if (why is null && !ManilaNames.HasShrunk(share, gib, since)) return false;
        log.LogInformation("The share {Share} stays at {Size} GiB although {Wanted} GiB were requested: {Why}",
            share.Id, share.SizeGib, gib, why ?? "the storage has not said why");
        return true;
    }

    /// <summary>The folder is usable at its old size, but an administrator must act before it gets another.</summary>
    private async Task<EnsureAnswer> ShrinkFailedAsync(ManilaShare share, int gib, CancellationToken cancel)
    {
        var said = await manila.CauseAsync(share.Id, DateTimeOffset.MinValue, ManilaActions.Shrink, cancel) ?? "no reason given";
        if (share.SizeGib < gib)
            return new EnsureAnswer.Broken(
                $"The folder is {share.SizeGib} GiB and should be {gib} GiB, but the storage changes no size after it could not make the share {share.Id} "
                + $"smaller (\"{share.Status}\": {said}).",
                $"Nothing was removed from it. Ask the administrators of the OpenStack cloud to run: openstack share set --status available {share.Id}");
        if (share.SizeGib > gib) log.LogWarning("The share {Share} is \"{Status}\" and stays at {Size} GiB although {Wanted} GiB were requested: {Why}",
            share.Id, share.Status, share.SizeGib, gib, said);
        return EnsureAnswer.IsDone;
    }

    /// <summary>Nobody else deletes a folder by mistake, where Manila offers that.</summary>
    private async Task LockAsync(ManilaShare share, CancellationToken cancel)
    {
        if (await manila.VersionAsync(cancel) < ManilaVersions.Locks || await manila.IsLockedAsync(share.Id, cancel)) return;
        await manila.LockAsync(share.Id, string.Create(CultureInfo.InvariantCulture, $"Work folder of the portal {options.Installation}"), cancel);
    }
}
