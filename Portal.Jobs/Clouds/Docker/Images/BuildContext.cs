using System.Formats.Tar;
using System.IO.Pipelines;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>The tar that the container engine builds from: the recipe's folder and its archives, generated while it is being sent.</summary>
public static class BuildContext
{
    /// <summary>The files of a recipe, in a fixed order; links are excluded.</summary>
    public static IReadOnlyList<string> Files(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .Order(StringComparer.Ordinal)];

    /// <summary>The reading end; an error while packing fails the reader.</summary>
    /// <param name="archives">Paths; they are put next to the recipe's files under their own names.</param>
    public static Stream Open(string folder, IReadOnlyList<string> archives, CancellationToken cancel)
    {
        var pipe = new Pipe();
        _ = PackAsync(folder, archives, pipe.Writer, cancel);
        return pipe.Reader.AsStream();
    }

    private static async Task PackAsync(string folder, IReadOnlyList<string> archives, PipeWriter writer, CancellationToken cancel)
    {
        Exception? fault = null;
        try
        {
            await using var tar = new TarWriter(writer.AsStream(leaveOpen: true), TarEntryFormat.Pax, leaveOpen: true);
            foreach (var (path, name) in Files(folder).Select(f => (f, Path.GetRelativePath(folder, f))).Concat(archives.Select(a => (a, Path.GetFileName(a)))))
            {
                await using var content = File.OpenRead(path);
                // Owner and time of the host's files must not become part of an image.
                await tar.WriteEntryAsync(
                    new PaxTarEntry(TarEntryType.RegularFile, name)
                    {
                        DataStream = content,
                        Mode = File.GetUnixFileMode(path) | UnixFileMode.GroupRead | UnixFileMode.OtherRead,
                        ModificationTime = DateTimeOffset.UnixEpoch
                    }, cancel);
            }
        }
        catch (Exception e)
        {
            fault = e;
        }

        await writer.CompleteAsync(fault);
    }
}
