using System.Formats.Tar;
using System.Security.Cryptography;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Brings folders of the portal to servers: small ones that belong to root there, as nodes may read but not change them.</summary>
internal sealed class ServerContent(Owned owned)
{
    private const string Role = "content", Inside = "/content", Folder = "/var/lib/portal/content";

    /// <summary>Maximum size of one folder, bytes.</summary>
    private const long Most = 16 << 20;

    private const UnixFileMode ReadableByAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Writes the folders that the node mounts, and says where each is on the server. A container that never starts carries them there.</summary>
    public async Task<IReadOnlyDictionary<string, string>> BringAsync(ContainerEngine engine, NodePlan node, bool write, CancellationToken cancel)
    {
        var places = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in node.Folders.Select(f => f.Source).OfType<MountSource.Content>().Select(c => c.Path).Distinct(StringComparer.Ordinal))
        {
            using var archive = await ArchiveAsync(path, cancel);
            places[path] = $"{Folder}/{Convert.ToHexStringLower(SHA256.HashData(archive.GetBuffer().AsSpan(0, (int)archive.Length)))[..32]}";
            if (write) await WriteAsync(engine, node.Image, places[path], archive, cancel);
        }
        return places;
    }

    private async Task WriteAsync(ContainerEngine engine, string image, string place, MemoryStream archive, CancellationToken cancel)
    {
        var wanted = new CreateContainerParameters
        {
            Name = $"portal-{owned.Id}-content-{Path.GetFileName(place)}",
            Image = image,
            Labels = owned.Labels(Role),
            HostConfig = new() { NetworkMode = "none", Binds = [$"{place}:{Inside}"] },
        };
        await engine.RemoveAsync(wanted.Name, cancel); // of an attempt that was killed
        var carrier = await engine.CreateAsync(wanted, cancel);
        try
        {
            await engine.CallAsync(c => c.Containers.ExtractArchiveToContainerAsync(carrier, new() { Path = Inside }, archive, cancel), cancel);
        }
        finally
        {
            await engine.RemoveAsync(carrier, CancellationToken.None);
        }
    }

    /// <summary>The folder's files in order, without owners and times, so that the same content has the same hash.</summary>
    private static async Task<MemoryStream> ArchiveAsync(string folder, CancellationToken cancel)
    {
        var archive = new MemoryStream();
        await using var tar = new TarWriter(archive, leaveOpen: true);
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
        await tar.DisposeAsync();
        archive.Position = 0;
        return archive;
    }
}
