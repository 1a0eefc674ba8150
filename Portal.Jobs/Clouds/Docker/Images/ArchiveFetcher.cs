using System.Formats.Tar;
using System.IO.Compression;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>Puts an archive together out of distributions of package indexes, by its lock.</summary>
internal sealed class ArchiveFetcher(ImagesOptions options)
{
    private const int AtOnce = 4;

    /// <summary>Writes a plain tar with exactly the files that the lock names; a Dockerfile's ADD unpacks it as it would the archive.</summary>
    /// <param name="folder">Empty, for this alone; the caller removes it.</param>
    public async Task<string> MakeAsync(string archive, ArchiveLock wanted, string folder, BuildListener listener, CancellationToken cancel)
    {
        var fetched = Directory.CreateDirectory(Path.Combine(folder, "fetched")).FullName;
        await FetchAsync(wanted.Sources, fetched, listener, cancel);
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var sums = wanted.Files.Select(f => f.Sum).ToHashSet(StringComparer.Ordinal);
        var kept = Directory.CreateDirectory(Path.Combine(folder, "kept")).FullName;
        foreach (var source in wanted.Sources)
        {
            listener.Hear($"takes {source.File} apart", 0.3);
            await FindAsync(Path.Combine(fetched, source.File), sums, found, kept, cancel);
        }

        return wanted.Files.Where(f => !found.ContainsKey(f.Sum)).Select(f => f.Path).ToList() is { Count: > 0 } missing
            ? throw EngineFaults.Make(CloudFault.Refused, $"{archive} cannot be put together: the package indexes' files lack {missing.Count} of its {wanted.Files.Count} files, or have others in their place, as {string.Join(", ", missing.Take(3))}",
                "Name indexes in Images:Index and Images:Maven that have the versions of the lock unchanged, or put the archive into the folder that Images:Engines names.")
            : await WriteAsync(wanted, found, Path.Combine(folder, archive), cancel);
    }

    private async Task FetchAsync(IReadOnlyList<Distribution> sources, string folder, BuildListener listener, CancellationToken cancel)
    {
        using var indexes = new PackageIndexes(options);
        await Parallel.ForEachAsync(sources, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (source, stop) =>
        {
            listener.Hear($"fetches {source.File}", 0.25);
            await indexes.FetchAsync(source, Path.Combine(folder, source.File), stop);
        });
    }

    /// <summary>The file itself, or what of it is wanted: each by its sum, wherever it lies.</summary>
    private static async Task FindAsync(string path, HashSet<string> wanted, Dictionary<string, string> found, string kept, CancellationToken cancel)
    {
        try
        {
            await using var file = File.OpenRead(path);
            if (await ContentSum.OfAsync(path, file, cancel) is var sum && wanted.Contains(sum))
            {
                found.TryAdd(sum, path);
                return;
            }

            file.Position = 0;
            if (ContentSum.IsZip(path))
            {
                using var zip = new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
                foreach (var entry in zip.Entries.Where(e => !e.FullName.EndsWith('/')))
                {
                    await using var bytes = await entry.OpenAsync(cancel);
                    await KeepAsync(entry.FullName, bytes, wanted, found, kept, cancel);
                }
            }
            else if (path.EndsWith(".tar.gz", StringComparison.Ordinal))
            {
                await using var plain = new GZipStream(file, CompressionMode.Decompress, leaveOpen: true);
                await using var tar = new TarReader(plain);
                while (await tar.GetNextEntryAsync(copyData: false, cancel) is { } entry)
                {
                    if (entry.DataStream is { } bytes)
                    {
                        await KeepAsync(entry.Name, bytes, wanted, found, kept, cancel);
                    }
                }
            }
        }
        catch (InvalidDataException e)
        {
            throw EngineFaults.Make(CloudFault.Refused, $"{Path.GetFileName(path)} from a package index cannot be unpacked: {e.Message}", "Look at what Images:Index and Images:Maven answer for it.");
        }
    }

    private static async Task KeepAsync(string name, Stream bytes, HashSet<string> wanted, Dictionary<string, string> found, string kept, CancellationToken cancel)
    {
        var copy = Path.Combine(kept, $"{found.Count}-{Guid.CreateVersion7():n}");
        await using (var file = File.Create(copy))
        {
            await bytes.CopyToAsync(file, cancel);
            if (await ContentSum.OfAsync(name, file, cancel) is var sum && wanted.Contains(sum) && found.TryAdd(sum, copy))
            {
                return;
            }
        }

        File.Delete(copy);
    }

    private static async Task<string> WriteAsync(ArchiveLock wanted, Dictionary<string, string> found, string to, CancellationToken cancel)
    {
        await using var file = File.Create(to);
        await using var tar = new TarWriter(file, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var part in wanted.Files)
        {
            await using var content = File.OpenRead(found[part.Sum]);
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, part.Path) { DataStream = content, Mode = part.Mode, ModificationTime = DateTimeOffset.UnixEpoch }, cancel);
        }

        return to;
    }
}
