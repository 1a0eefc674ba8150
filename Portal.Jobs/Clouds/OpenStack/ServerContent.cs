using System.Formats.Tar;
using System.Security.Cryptography;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Brings folders of the portal to servers: small ones, which nodes may read but not change.</summary>
internal static class ServerContent
{
    private const string Folder = "/var/lib/portal/content";

    /// <summary>Maximum size of one folder, bytes.</summary>
    private const long Most = 16 << 20;

    private const UnixFileMode ReadableByAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Says where on the server each folder is that the node mounts, by its path on this host.</summary>
    /// <param name="write">Whether they are written there, too.</param>
    public static async Task<IReadOnlyDictionary<string, string>> BringAsync(NodeEngine engine, NodePlan node, bool write, CancellationToken cancel)
    {
        var places = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in node.Folders.Select(f => f.Source).OfType<MountSource.Content>().Select(c => c.Path).Distinct(StringComparer.Ordinal))
        {
            using var archive = await ArchiveAsync(path, cancel);
            places[path] = $"{Folder}/{Convert.ToHexStringLower(SHA256.HashData(archive.GetBuffer().AsSpan(0, (int)archive.Length)))[..32]}";
            if (write) await engine.PutAsync(node.Image, places[path], archive, cancel);
        }
        return places;
    }

    /// <summary>The folder's files in order, without owners and times, so that the same content has the same hash.</summary>
    private static async Task<MemoryStream> ArchiveAsync(string folder, CancellationToken cancel)
    {
        var archive = new MemoryStream();
        await using (var tar = new TarWriter(archive, leaveOpen: true))
        {
            foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                if (archive.Length + new FileInfo(file).Length > Most)
                    throw new CloudException(Services.Nova, CloudFault.Refused, $"the template's files are larger than {Most >> 20} MiB", "Fix the template.");
                await using var content = File.OpenRead(file);
                await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, Path.GetRelativePath(folder, file))
                {
                    Mode = ReadableByAll,
                    ModificationTime = DateTimeOffset.UnixEpoch,
                    DataStream = content,
                }, cancel);
            }
        }
        archive.Position = 0;
        return archive;
    }
}
