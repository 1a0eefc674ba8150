using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>
/// Scratch folders next to the work folders of a class and within its limit: subvolumes named <c>scratch-workspace-node</c>. Root creates and
/// removes them as a whole and never follows a path inside.
/// </summary>
internal sealed class LocalScratch(Storage storage)
{
    private const string Prefix = "scratch-";

    public string PathOf(FolderRef.Scratch folder) => Path.Combine(storage.ClassFolder(folder.Class), $"{Prefix}{folder.Workspace:n}-{folder.Node}");

    public IReadOnlyList<FolderRef.Scratch> List() => !Directory.Exists(storage.Options.Folder) ? [] :
    [
        .. from share in Directory.GetDirectories(storage.Options.Folder)
           let classId = Guid.TryParseExact(Path.GetFileName(share), "n", out var id) ? id : Guid.Empty
           where classId != Guid.Empty
           from path in Directory.GetDirectories(share, Prefix + "*")
           let folder = Read(classId, Path.GetFileName(path))
           where folder is not null
           select folder,
    ];

    public async Task RemoveAsync(FolderRef.Scratch folder, CancellationToken cancel) => await storage.AloneAsync(async () =>
    {
        if (Kernel.Look(PathOf(folder)) is not null) await RemoveOneAsync(PathOf(folder), cancel);
        return true;
    }, cancel);

    private async Task RemoveOneAsync(string path, CancellationToken cancel)
    {
        if (!storage.BlocksEnforced)
        {
            Directory.Delete(path, recursive: true); // links are removed, not followed; no process can write here any more
            return;
        }

        LocalShares.MustBeSubvolume(path);
        await storage.Btrfs.DeleteAsync(path, cancel); // its group goes later: see QuotaGroup.IsLeftOver
    }

    /// <summary>Parses a folder name; null if it is not that of a scratch folder.</summary>
    public static FolderRef.Scratch? Read(Guid classId, string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal)
            && name.Length > Prefix.Length + 33
            && Guid.TryParseExact(name[Prefix.Length..(Prefix.Length + 32)], "n", out var workspace)
            && name[Prefix.Length + 32] == '-'
            ? new FolderRef.Scratch(classId, workspace, name[(Prefix.Length + 33)..])
            : null;
}
