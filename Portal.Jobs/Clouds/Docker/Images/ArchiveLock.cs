using System.Text.RegularExpressions;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>Where a file may be had by name.</summary>
public abstract record Distribution(string File)
{
    /// <summary>Of a Python package index; project's name normalised.</summary>
    public sealed record PyPi(string Project, string File) : Distribution(File);

    /// <summary>Of a Maven repository; path below its root.</summary>
    public sealed record Maven(string Path) : Distribution(System.IO.Path.GetFileName(Path));
}

/// <param name="Sum">Of its content, as <see cref="ContentSum"/> reckons it.</param>
/// <param name="Path">Inside the archive.</param>
public sealed record LockedFile(string Sum, UnixFileMode Mode, string Path);

/// <summary>
/// What an archive holds, file by file with sums, and the distributions in which those files lie. With it the archive can be put together where
/// it is not at hand: nothing is taken that has not the sum, so an index is trusted with nothing but to answer.
/// </summary>
public sealed partial record ArchiveLock(IReadOnlyList<Distribution> Sources, IReadOnlyList<LockedFile> Files)
{
    /// <summary>Name of the lock of an archive, in the recipe's folder.</summary>
    public static string NameOf(string archive) => $"{(archive.IndexOf(".tar", StringComparison.Ordinal) is > 0 and var end ? archive[..end] : archive)}.lock";

    /// <summary>Reads what infra/images/write-lock wrote; throws <see cref="CloudFault.Refused"/> naming the line that is wrong.</summary>
    public static ArchiveLock Read(string name, IEnumerable<string> lines)
    {
        var sources = new List<Distribution>();
        var files = new List<LockedFile>();
        foreach (var (line, number) in lines.Select((l, i) => (l, i + 1)).Where(l => l.l.Length > 0 && l.l[0] != '#'))
        {
            if (Source(line) is { } source)
            {
                sources.Add(source);
            }
            else if (Line().Match(line) is { Success: true } file && !file.Groups["path"].Value.Split('/').Any(p => p is "" or "." or ".."))
            {
                files.Add(new LockedFile(file.Groups["sum"].Value, (UnixFileMode)Convert.ToInt32(file.Groups["mode"].Value, 8), file.Groups["path"].Value));
            }
            else
            {
                throw EngineFaults.Make(CloudFault.Refused, $"{name}, line {number}: it names neither a distribution nor a file", "Write it again: infra/images/write-lock.");
            }
        }

        return new ArchiveLock(sources, files);
    }

    private static Distribution? Source(string line) => line.Split(' ') switch
    {
        ["from", "pypi", var project, var file] when Plain(project) && Plain(file) => new Distribution.PyPi(project, file),
        ["from", "maven", .. var parts] when parts.Length is 3 or 4 && parts.All(Plain) =>
            new Distribution.Maven($"{parts[0].Replace('.', '/')}/{parts[1]}/{parts[2]}/{string.Join('-', parts[1..])}.jar"),
        _ => null,
    };

    private static bool Plain(string word) => Word().IsMatch(word);

    [GeneratedRegex(@"^file (?<sum>[0-9a-f]{64}) (?<mode>[0-7]{3}) (?<path>[^\s/]\S*)$", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Line();

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._+-]*$", RegexOptions.NonBacktracking)]
    private static partial Regex Word();
}
