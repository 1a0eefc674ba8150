using System.Globalization;
using System.Text.RegularExpressions;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>A step that the builder announced.</summary>
/// <param name="Does">What it does, in plain language.</param>
public sealed record BuildStep(int Now, int All, string Does)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Does}, {Now} of {All}");
}

/// <summary>Translates a builder's output: ids of layers and commands mean nothing to the person who is waiting.</summary>
public static partial class BuildOutput
{
    /// <summary>Null for a line that begins no step.</summary>
    public static BuildStep? Of(string line) => Step().Match(line) is { Success: true } step
        ? new(Number(step.Groups["now"]), Number(step.Groups["all"]), Doing(step.Groups["word"].Value, step.Groups["rest"].Value))
        : null;

    private static int Number(Group digits) => int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    private static string Doing(string instruction, string rest) => instruction switch
    {
        "FROM" or "ARG" => "loading the base image",
        "COPY" => "copying files",
        "ADD" => "unpacking archives",
        "RUN" when Installs().IsMatch(rest) => "installing packages",
        "RUN" => "setting up",
        _ => "finishing",
    };

    [GeneratedRegex(@"^Step (?<now>\d+)/(?<all>\d+) : *(?<word>\w+)(?<rest>.*)$", RegexOptions.ExplicitCapture | RegexOptions.Singleline,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Step();

    [GeneratedRegex(@"\b(apt-get|apt|pip|npm|mamba|conda)\b[^&|;]*\binstall\b", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Installs();
}
