using System.Text.RegularExpressions;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>A named source of a file.</summary>
public abstract partial record Distribution(string File)
{
    /// <summary>From a Python package index; the project's name is normalised.</summary>
    public sealed record PyPi(string Project, string File) : Distribution(File)
    {
        private const string Source = ".tar.gz";

        /// <summary>The file name: name-version.tar.gz, or name-version[-build]-python-abi-platform.whl.</summary>
        public string Version => File.EndsWith(Source, StringComparison.Ordinal) ? File[(File.LastIndexOf('-') + 1)..^Source.Length] : File.Split('-')[1];

        /// <summary>Which Python, ABI and platform a wheel is for, each possibly several joined by dots; null for a source distribution.</summary>
        public (string Python, string Abi, string Platform)? Tags =>
            File.EndsWith(".whl", StringComparison.Ordinal) && File[..^4].Split('-') is [_, _, .., var python, var abi, var platform]
                ? (python, abi, platform)
                : null;

        internal static bool IsFile(string name) =>
            name.EndsWith(Source, StringComparison.Ordinal) ? name.Contains('-', StringComparison.Ordinal) : WheelName().IsMatch(name);
    }

    /// <summary>A jar of a Maven repository.</summary>
    public sealed record Maven(string Group, string Artifact, string Version,
        string? Classifier = null) : Distribution($"{Artifact}-{Version}{(Classifier is null ? "" : $"-{Classifier}")}.jar");

    [GeneratedRegex(@"^[^-]+-[^-]+(-[^-]+)?-(cp|py|pp)[0-9][^-]*-[^-]+-[^-]+\.whl$", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex WheelName();
}

/// <param name="Sum">Checksum of its content, as computed by <see cref="ContentSum"/>.</param>
/// <param name="Path">Path inside the archive.</param>
public sealed record LockedFile(string Sum, UnixFileMode Mode, string Path);

/// <summary>
/// What an archive holds, file by file with checksums, and the distributions that contain those files. With it the archive can be assembled if it
/// is not available locally. Every file must have its checksum, so an index need not be trusted.
/// </summary>
public sealed partial record ArchiveLock(IReadOnlyList<Distribution> Sources, IReadOnlyList<LockedFile> Files)
{
    /// <summary>Name of an archive's lock file, in the recipe's folder.</summary>
    public static string NameOf(string archive) => $"{(archive.IndexOf(".tar", StringComparison.Ordinal) is > 0 and var end ? archive[..end] : archive)}.lock";

    /// <summary>Reads what infra/images/write-lock wrote; throws <see cref="CloudFault.Refused"/> naming the wrong line.</summary>
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
                throw ContainerEngineFaults.Make(CloudFault.Refused, $"{name}, line {number}: it names neither a distribution nor a file",
                    "Regenerate it with infra/images/write-lock.");
            }
        }

        return new ArchiveLock(sources, files);
    }

    private static Distribution? Source(string line) => line.Split(' ') switch
    {
        ["from", "pypi", var project, var file] when Plain(project) && Plain(file) && Distribution.PyPi.IsFile(file) => new Distribution.PyPi(project, file),
        ["from", "maven", .. var parts] when parts.Length is 3 or 4 && parts.All(Plain) =>
            new Distribution.Maven(parts[0], parts[1], parts[2], parts.ElementAtOrDefault(3)),
        _ => null,
    };

    private static bool Plain(string word) => Token().IsMatch(word);

    [GeneratedRegex(@"^file (?<sum>[0-9a-f]{64}) (?<mode>[0-7]{3}) (?<path>[^\s/]\S*)$", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Line();

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._+-]*$", RegexOptions.NonBacktracking)]
    private static partial Regex Token();
}
