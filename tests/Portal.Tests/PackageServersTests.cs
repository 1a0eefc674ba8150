using ArchUnitNET.Loader;
using ArchUnitNET.xUnitV3;
using Portal.Tests.Infra;
using static ArchUnitNET.Fluent.ArchRuleDefinition;

namespace Portal.Tests;

/// <summary>
/// Packages come through pip and Maven, which know by themselves where they are (record 018): nothing here names a registry's host, and nothing here reads
/// an index.
/// </summary>
public sealed class PackageServersTests
{
    /// <summary>In parts, so that this file names none.</summary>
    private static readonly string[] Hosts =
    [
        "pypi" + ".org", "pythonhosted" + ".org", "pypi" + ".python.org", "anaconda" + ".", "repo" + ".maven.", "repo1" + ".maven", "maven" + "-central",
        "central" + ".sonatype", "oss" + ".sonatype", "search" + ".maven", "repository" + ".apache.", "archive" + ".apache.", "downloads" + ".apache.",
        "dlcdn" + ".apache.", "nuget" + ".org", "npmjs" + ".", "unpkg" + ".com", "jsdelivr" + ".", "registry-1" + ".docker", "index" + ".docker",
        "hub" + ".docker", "quay" + ".io", "ghcr" + ".io", "gcr" + ".io", "mcr" + ".microsoft", "crates" + ".io", "rubygems" + ".",
    ];

    /// <summary>What only a reader of an index would need: names of its forms, and a parser in a script.</summary>
    private static readonly string[] WordsOfAReader = ["maven-metadata", "pypi.simple", "data-requires-python", "html.parser"];

    [Fact]
    public void NoFile_NamesARegistry() => Find(Hosts, "").ShouldBeEmpty();

    [Fact]
    public void NoProduct_ReadsAnIndexItself() =>
        ((string[])["Portal", "Portal.Core", "Portal.Jobs/Clouds", "infra"]).SelectMany(f => Find(WordsOfAReader, f)).ShouldBeEmpty();

    /// <summary>The container engine is called by Docker.DotNet; whatever else an image needs is fetched by other programs.</summary>
    [Fact]
    public void Images_HaveNoNetworkClientOfTheirOwn() =>
        Types().That().ResideInNamespaceMatching(@"^Portal\.Jobs\.Clouds\.Docker\.Images").Should()
            .NotDependOnAny(Types(includeReferenced: true).That().HaveFullNameMatching(@"^System\.Net\.(Http|Sockets|Security|Web[CHR])"))
            .Check(new ArchLoader().LoadAssemblies(typeof(Portal.Jobs.PortalJobsServices).Assembly).Build());

    /// <summary>Places where a file has one of these words.</summary>
    private static IEnumerable<string> Find(string[] words, string folder) => Files(Path.Combine(Script.Root(), folder)).SelectMany(file =>
        File.ReadLines(file, System.Text.Encoding.Latin1).Index().SelectMany(line => words.Where(w => line.Item.Contains(w, StringComparison.OrdinalIgnoreCase))
            .Select(w => $"{Path.GetRelativePath(Script.Root(), file)}:{line.Index + 1} {w}")));

    /// <summary>Without what a build writes; the folders bin of the image recipes are sources.</summary>
    private static IEnumerable<string> Files(string folder) => Directory.EnumerateFiles(folder).Concat(
        Directory.EnumerateDirectories(folder)
            .Where(d => Path.GetFileName(d) is not (".git" or "obj" or "TestResults" or ".vs" or ".idea" or "node_modules" or "screenshots")
                && (Path.GetFileName(d) != "bin" || d.Contains("/infra/images/", StringComparison.Ordinal)))
            .SelectMany(Files));
}
