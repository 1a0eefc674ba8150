using System.Formats.Tar;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Brings folders of the portal to servers, where nodes may read but not change them.</summary>
internal static class ServerContent
{
    private const string Folder = "/var/lib/portal/content";

    private const UnixFileMode ReadableByAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Where a folder is on every server: another content, another place.</summary>
    public static string PlaceOf(MountSource.Content content) => $"{Folder}/{content.Hash}";

    /// <summary>Writes the folders that the node mounts.</summary>
    public static async Task BringAsync(NodeEngine engine, NodePlan node, CancellationToken cancel)
    {
        foreach (var content in node.Folders.Select(f => f.Source).OfType<MountSource.Content>().Distinct())
        {
            await using var archive = new FileStream(Path.GetTempFileName(), new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.ReadWrite,
                Options = FileOptions.DeleteOnClose | FileOptions.Asynchronous,
            });
            await ArchiveAsync(content.Path, archive, cancel);
            archive.Position = 0;
            await engine.PutAsync(node.Image, PlaceOf(content), archive, cancel);
        }
    }

    /// <summary>The folder's files; they belong to root on the server.</summary>
    private static async Task ArchiveAsync(string folder, Stream archive, CancellationToken cancel)
    {
        await using var tar = new TarWriter(archive, leaveOpen: true);
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            await using var content = File.OpenRead(file);
            await tar.WriteEntryAsync(
                new PaxTarEntry(TarEntryType.RegularFile, Path.GetRelativePath(folder, file)) { Mode = ReadableByAll, DataStream = content }, cancel);
        }
    }
}
