using System.Formats.Tar;
using System.IO.Compression;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>
/// Fetches an archive's packages and assembles the archive from them by its lock. Works in a folder of the lock's own: fetched packages stay
/// there until <see cref="Forget"/>, so that an interrupted fetch resumes where it stopped; other remains of a killed process are removed first.
/// </summary>
public sealed class ArchiveFetcher(ImagesOptions options, PackageSources sources)
{
    private const long LargestPart = 1L << 30, LargestParts = 4L << 30;
    private const double ShareOfFetching = 0.3;

    /// <summary>Writes a plain tar with exactly the files that the lock names; a Dockerfile's ADD unpacks it like the archive.</summary>
    /// <exception cref="CloudException">Something could not be fetched or has a wrong checksum; <see cref="PackageSources"/> then knows about it.</exception>
    internal async Task<string> MakeAsync(string archive, string sum, ArchiveLock wanted, BuildListener listener, CancellationToken cancel)
    {
        try
        {
            using var alone = Begin(archive, sum, out var folder);
            await FetchAsync(archive, wanted.Sources, folder, listener, cancel);
            var path = await PutTogetherAsync(archive, wanted, folder, listener, cancel);
            sources.Fetched(sum);
            return path;
        }
        catch (CloudException e)
        {
            sources.Failed(sum, e);
            throw;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var fault = PackageFaults.Make(CloudFault.Full, $"{archive} could not be assembled: {e.Message}",
                $"Free up disk space in {options.Fetch.Folder} (Images:Fetch:Folder), or put {archive} into the folder that PORTAL_ENGINES names.", e);
            sources.Failed(sum, fault);
            // A full disk must not stay full until the next attempt: PostgreSQL may share it.
            RemoveParts(FolderOf(archive, sum));
            throw fault;
        }
    }

    /// <summary>Deletes what was fetched for an archive.</summary>
    public void Forget(string archive, string sum)
    {
        if (Directory.Exists(FolderOf(archive, sum)))
        {
            Directory.Delete(FolderOf(archive, sum), recursive: true);
        }
    }

    private string FolderOf(string archive, string sum) => Path.Combine(options.Fetch.Folder, $"{NameOf(archive)}@{sum[..12]}");

    private static string NameOf(string archive) => Path.GetFileNameWithoutExtension(ArchiveLock.NameOf(archive));

    /// <summary>The folder, which contains only complete packages, and the lock that keeps other processes out of it.</summary>
    private FileStream Begin(string archive, string sum, out string folder)
    {
        ClientRun.MakeParent(options.Fetch.Folder);
        FileStream alone;
        try
        {
            alone = new FileStream(Path.Combine(options.Fetch.Folder, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw PackageFaults.Make(CloudFault.Unavailable, $"the download folder cannot be used ({e.Message})",
                "If another process is downloading right now, this will be retried; otherwise correct Images:Fetch:Folder.", e);
        }

        folder = FolderOf(archive, sum);
        foreach (var old in Directory.EnumerateDirectories(options.Fetch.Folder, $"{NameOf(archive)}@*").Except([folder], StringComparer.Ordinal).ToList())
        {
            Directory.Delete(old, recursive: true); // of a lock that no longer exists
        }

        ClientRun.MakeParent(folder);
        ClientRun.RemoveOld(folder);
        Directory.CreateDirectory(Packages(folder));
        RemoveParts(folder);

        return alone;
    }

    private static string Packages(string folder) => Path.Combine(folder, "packages");

    private static string Parts(string folder) => Path.Combine(folder, "parts");

    private async Task FetchAsync(string archive, IReadOnlyList<Distribution> wanted, string folder, BuildListener listener, CancellationToken cancel)
    {
        bool Here(Distribution d) => File.Exists(Path.Combine(Packages(folder), d.File));
        var before = wanted.Count(Here);
        void Tell(int count) => listener.Reach($"Fetching packages: {Math.Min(count, wanted.Count)} of {wanted.Count}", ShareOfFetching * count / wanted.Count);
        foreach (var (client, batch) in wanted.Where(d => !Here(d))
            .GroupBy(sources.For)
            .SelectMany(g => g.Key.Batches([.. g]).Select(b => (g.Key, b)))
            .ToList())
        {
            Tell(before);
            var begun = before;
            using var run = sources.Run(folder);
            var output = await client.FetchAsync(batch, run, folder, () => Tell(Interlocked.Increment(ref begun)), cancel);
            foreach (var package in batch.Where(d => File.Exists(Path.Combine(run.Output, d.File))))
            {
                await TakeAsync(Path.Combine(run.Output, package.File), Path.Combine(Packages(folder), package.File), cancel);
            }

            if (batch.FirstOrDefault(d => !Here(d)) is { } missing)
            {
                throw PackageSources.Fault(archive, client,
                    output.Well ? $"the package server has a different file in place of {missing.File}" : $"{client.Reason(output)} ({missing.File})");
            }

            before += batch.Count;
        }

        Tell(wanted.Count);
    }

    private static void RemoveParts(string folder)
    {
        if (Directory.Exists(Parts(folder)))
        {
            Directory.Delete(Parts(folder), recursive: true);
        }
    }

    /// <summary>A copy owned by this account, so that no process of the client can change it any more; complete or absent.</summary>
    private static async Task TakeAsync(string from, string to, CancellationToken cancel)
    {
        await using (var source = File.OpenRead(from))
        await using (var copy = File.Create($"{to}.part"))
        {
            await source.CopyToAsync(copy, cancel);
        }

        File.Move($"{to}.part", to);
        File.Delete(from);
    }

    private static async Task<string> PutTogetherAsync(string archive, ArchiveLock wanted, string folder, BuildListener listener, CancellationToken cancel)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var sums = wanted.Files.Select(f => f.Sum).ToHashSet(StringComparer.Ordinal);
        var kept = new Kept(Directory.CreateDirectory(Parts(folder)).FullName);
        foreach (var source in wanted.Sources)
        {
            listener.Hear($"Unpacking packages: {source.File}", ShareOfFetching + 0.05);
            await FindAsync(Path.Combine(Packages(folder), source.File), sums, found, kept, cancel);
        }

        if (wanted.Files.Where(f => !found.ContainsKey(f.Sum)).Select(f => f.Path).ToList() is not { Count: > 0 } missing)
        {
            return await WriteAsync(wanted, found, Path.Combine(Parts(folder), archive), cancel);
        }

        Directory.Delete(folder, recursive: true);
        throw PackageFaults.Make(CloudFault.Refused,
            $"{archive} cannot be assembled: "
            + $"{missing.Count} of its {wanted.Files.Count} files are missing from the downloaded packages or differ, "
            + $"such as {string.Join(", ", missing.Take(3))}",
            $"Use a mirror that has unmodified copies of the locked versions, or put {archive} into the folder that PORTAL_ENGINES (Images:Engines) names.");
    }

    /// <summary>The file itself, or the wanted parts of it: each found by its checksum, wherever it is.</summary>
    private static async Task FindAsync(string path, HashSet<string> wanted, Dictionary<string, string> found, Kept kept, CancellationToken cancel)
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
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            File.Delete(path); // the next try fetches it again
            throw PackageFaults.Make(CloudFault.Refused, $"{Path.GetFileName(path)} from a package index cannot be unpacked: {e.Message}",
                "Check what the server named in pip.conf or settings.xml returns for it.");
        }
    }

    private static async Task KeepAsync(string name, Stream bytes, HashSet<string> wanted, Dictionary<string, string> found, Kept kept,
        CancellationToken cancel)
    {
        var copy = Path.Combine(kept.Folder, $"{found.Count}-{Guid.CreateVersion7():n}");
        await using (var file = File.Create(copy))
        {
            await kept.CopyAsync(bytes, file, cancel);
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
            await tar.WriteEntryAsync(
                new PaxTarEntry(TarEntryType.RegularFile, part.Path)
                {
                    DataStream = content,
                    Mode = part.Mode,
                    ModificationTime = DateTimeOffset.UnixEpoch
                }, cancel);
        }

        return to;
    }

    /// <summary>Where parts are kept while an archive is assembled, and how much may be unpacked, because packages are not verified yet.</summary>
    private sealed record Kept(string Folder)
    {
        private long _left = LargestParts;

        public async Task CopyAsync(Stream from, Stream to, CancellationToken cancel)
        {
            var buffer = new byte[128 * 1024];
            var size = 0L;
            while (await from.ReadAsync(buffer, cancel) is > 0 and var read)
            {
                if ((size += read) > LargestPart || (_left -= read) < 0)
                {
                    throw new InvalidDataException("it contains more than the files in the lock");
                }

                await to.WriteAsync(buffer.AsMemory(0, read), cancel);
            }
        }
    }
}
