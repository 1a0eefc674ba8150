using System.Text.RegularExpressions;

namespace Portal.Tests.Pages;

/// <summary>All css is served as one stylesheet: a class that two files define renders as neither intended.</summary>
public sealed partial class StylesheetTests
{
    [Fact]
    public void Css_ClassesOfDifferentFiles_HaveDifferentNames()
    {
        var assembly = typeof(Portal.Program).Assembly;
        var defined = from name in assembly.GetManifestResourceNames()
                      where name.EndsWith(".css", StringComparison.Ordinal)
                      from @class in Defined().Matches(Read(name)).Select(m => m.Groups["name"].Value).Distinct(StringComparer.Ordinal)
                      group name by @class into files
                      where files.Count() > 1
                      select $"{files.Key}: {string.Join(", ", files)}";
        defined.ShouldBeEmpty();

        string Read(string name)
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            return reader.ReadToEnd();
        }
    }

    /// <summary>A rule for the class alone; another file's additions under one of its own elements are not definitions.</summary>
    [GeneratedRegex(@"^\.(?<name>[A-Za-z0-9_-]+)\s*\{", RegexOptions.Multiline | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Defined();
}
