using System.Globalization;
using Portal.Controls;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>A line of a node's log as a list shows it.</summary>
public static class NodeLogRow
{
    /// <param name="line">A line with a timestamp, as container engines write it; without one, the current time is used.</param>
    public static LogRow Of(long number, string line, DateTimeOffset now)
    {
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && DateTimeOffset.TryParse(line.AsSpan(0, space), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? new(number, at, SeverityOf(line[(space + 1)..]), line[(space + 1)..])
            : new(number, now, SeverityOf(line), line);
    }

    /// <summary>Severity, from the word with which programs mark important lines.</summary>
    private static LogLineSeverity SeverityOf(string text)
    {
        var begin = text.Length > 80 ? text[..80] : text;
        return begin.Contains("ERROR", StringComparison.Ordinal)
            || begin.Contains("FATAL", StringComparison.Ordinal)
            || begin.StartsWith("Traceback", StringComparison.Ordinal) ? LogLineSeverity.Fail
            : begin.Contains("WARN", StringComparison.Ordinal) ? LogLineSeverity.Warn : LogLineSeverity.Info;
    }
}
