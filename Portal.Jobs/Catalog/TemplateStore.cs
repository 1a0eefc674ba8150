using System.Security.Cryptography;
using System.Text;
using Portal.Core.Catalog;

namespace Portal.Jobs.Catalog;

/// <summary>
/// Folders of published versions, by hash: the version a workspace was made from stays available, whatever happens to the folder it was published
/// from. A version's folder is either complete or absent.
/// </summary>
public sealed class TemplateStore(string folder)
{
    /// <summary>Maximum number of files of a template and of their total bytes: examples contain small data and generate larger data.</summary>
    public const int MostFiles = 1000, MostBytes = 64 << 20;

    private const string Unnamed = ".new";

    private const UnixFileMode AllRead =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>A copy of a folder as it is now, still unnamed. For one caller at a time; throws
    /// <see cref="InvalidDataException"/> with the reason if it is too large.</summary>
    public string Stage(string source)
    {
        Directory.CreateDirectory(folder, AllRead);
        foreach (var left in Directory.EnumerateDirectories(folder, $"*{Unnamed}")) Directory.Delete(left, recursive: true); // left by a crash
        var files = Files(new(source)).Take(MostFiles + 1).ToList();
        if (files.Count > MostFiles) throw new InvalidDataException($"more than {MostFiles} files in one template");
        if (files.Sum(f => f.Length) > MostBytes) throw new InvalidDataException($"more than {MostBytes >> 20} MiB in one template");
        var staged = Path.Combine(folder, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)) + Unnamed);
        Directory.CreateDirectory(staged, AllRead);
        var remaining = (long)MostBytes;
        foreach (var file in files)
        {
            var to = Path.Combine(staged, Path.GetRelativePath(source, file.FullName));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!, AllRead);
            remaining -= Copy(file, to, remaining);
        }
        return staged;
    }

    /// <summary>Stores a staged copy under the hash of its content, which it returns. Idempotent.</summary>
    public string Keep(string staged)
    {
        var hash = HashOf(staged);
        var kept = Path.Combine(folder, hash);
        if (Directory.Exists(kept)) Drop(staged);
        else Directory.Move(staged, kept);
        return hash;
    }

    public static void Drop(string staged) => Directory.Delete(staged, recursive: true);

    /// <summary>Folder of the version's example notebooks; null if it has none.</summary>
    public string? Examples(TemplateVersion version) => Path.Combine(folder, version.Hash, "examples") is var path && Directory.Exists(path) ? path : null;

    /// <summary>The files that belong to a template: no links, and nothing whose name begins with a dot.</summary>
    internal static IEnumerable<FileInfo> Files(DirectoryInfo from) =>
        from.EnumerateFileSystemInfos().Where(f => f.LinkTarget is null && !f.Name.StartsWith('.'))
        .SelectMany(f => f is DirectoryInfo below ? Files(below) : [(FileInfo)f]);

    /// <summary>Returns bytes copied. Files without a length are not opened: they may be pipes or devices.</summary>
    private static long Copy(FileInfo file, string to, long remaining)
    {
        using (var target = File.Create(to))
            if (file.Length > 0)
            {
                using var source = file.OpenRead();
                var buffer = new byte[81920];
                for (int got; (got = source.Read(buffer)) > 0; target.Write(buffer, 0, got))
                    if (target.Length + got > remaining) throw new InvalidDataException($"more than {MostBytes >> 20} MiB in one template");
            }
        File.SetUnixFileMode(to, AllRead & ~(UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute));
        return new FileInfo(to).Length;
    }

    /// <summary>Hash over every file's name and content.</summary>
    private static string HashOf(string staged)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Files(new(staged))
            .Select(f => (Path: f.FullName, Name: Path.GetRelativePath(staged, f.FullName)))
            .OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            var content = File.ReadAllBytes(file.Path);
            hash.AppendData(Encoding.UTF8.GetBytes($"{file.Name}\n{content.Length}\n"));
            hash.AppendData(content);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
