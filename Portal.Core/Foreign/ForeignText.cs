using System.Globalization;
using System.Text;

namespace Portal.Core.Foreign;

/// <summary>
/// The only way in which foreign text (from a workspace, container, build or cloud) becomes part of a row or page: without terminal
/// sequences, control characters, unpaired surrogates and bidirectional control characters, and truncated.
/// </summary>
public static class ForeignText
{
    /// <summary>Maximum length of a log line, UTF-16 units.</summary>
    public const int LongestLine = 2000;

    /// <summary>Maximum length of a text column, including the truncation mark, UTF-16 units.</summary>
    public const int LongestInRow = 3998;

    private const string Cut = " …";
    private const char Escape = '\u001b', Bel = '\u0007';

    /// <summary>Sequences and overwritten text are dropped, so more is scanned than is kept, but never much more.</summary>
    private const int LooksAt = 4;

    /// <summary>One line of clean text; empty for null. Line ends become spaces.</summary>
    /// <param name="longest">UTF-16 units to keep; a truncation mark is added after them.</param>
    public static string Clean(string? text, int longest = LongestInRow)
    {
        if (string.IsNullOrEmpty(text)) return "";
        var seen = text.AsSpan(0, (int)Math.Min(text.Length, (long)longest * LooksAt));
        var kept = new StringBuilder(Math.Min(seen.Length, longest));
        for (var at = 0; at < seen.Length;)
        {
            if (seen[at] == Escape && EndOfSequence(seen, at) is var end && end > at)
            {
                at = end;
                continue;
            }
            Rune.DecodeFromUtf16(seen[at..], out var rune, out var used); // an unpaired surrogate decodes as U+FFFD
            at += used;
            rune = Shown(rune);
            if (kept.Length + rune.Utf16SequenceLength > longest) return kept.ToString().TrimEnd() + Cut;
            kept.Append(rune.ToString());
        }
        return kept.ToString().TrimEnd() + (seen.Length < text.Length ? Cut : "");
    }

    /// <summary>The last lines that are not empty, oldest first.</summary>
    /// <param name="most">Maximum number of lines.</param>
    public static IReadOnlyList<string> Lines(string text, int most) => [.. text.Split('\n').Select(Line).Where(l => l.Length > 0).TakeLast(most)];

    /// <summary>A progress bar overwrites its own line: keep what was written last.</summary>
    private static string Line(string line)
    {
        var shown = line.AsSpan().TrimEnd('\r');
        return Clean(shown[(shown.LastIndexOf('\r') + 1)..].ToString(), LongestLine);
    }

    private static Rune Shown(Rune rune) => rune.Value switch
    {
        '\t' => rune,
        '\n' or '\r' or 0x2028 or 0x2029 => new(' '),
        >= 0x202a and <= 0x202e or >= 0x2066 and <= 0x2069 => Rune.ReplacementChar,
        _ => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control ? Rune.ReplacementChar : rune,
    };

    /// <summary>End of the terminal sequence that begins here; its start if it is not one.</summary>
    private static int EndOfSequence(ReadOnlySpan<char> text, int begin)
    {
        if (begin + 1 >= text.Length) return begin;
        var at = begin + 2;
        switch (text[begin + 1])
        {
            case '[':
                while (at < text.Length && text[at] is >= '0' and <= '9' or ';' or '?') at++;
                while (at < text.Length && text[at] is >= ' ' and <= '/') at++;
                return at < text.Length && text[at] is >= '@' and <= '~' ? at + 1 : begin;
            case ']':
                while (at < text.Length && text[at] is not (Bel or Escape)) at++;
                if (at < text.Length && text[at] == Bel) return at + 1;
                return at + 1 < text.Length && text[at + 1] == '\\' ? at + 2 : at;
            case >= '@' and <= '_':
                return at;
            default:
                return begin;
        }
    }
}
