using System.Globalization;
using System.Text;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>One line of the kernel's list of mounts.</summary>
/// <param name="Root">The part of the file system that is mounted there.</param>
/// <param name="Source">The device, if there is one.</param>
internal sealed record MountLine(string Root, string Point, string Kind, string Source);

internal static class Mountinfo
{
    /// <summary>All mounts this process sees, oldest first.</summary>
    public static IReadOnlyList<MountLine> Read() => [.. File.ReadAllLines("/proc/self/mountinfo").Select(Parse).OfType<MountLine>()];

    /// <summary>The mount that a path is on: the most recent of the deepest.</summary>
    public static MountLine? Of(string path, IEnumerable<MountLine> mounts) =>
        mounts.Where(m => m.Point == "/" || path == m.Point || path.StartsWith(m.Point + "/", StringComparison.Ordinal))
            .Select((Line, Order) => (Line, Order))
            .OrderBy(m => m.Line.Point.Length)
            .ThenBy(m => m.Order)
            .LastOrDefault().Line;

    /// <summary><c>36 35 98:0 /root /point options [optional…] - kind source options</c>; blanks are written in octal.</summary>
    public static MountLine? Parse(string line)
    {
        var words = line.Split(' ');
        var dash = Array.IndexOf(words, "-", 6);
        return dash < 0 || words.Length < dash + 3 ? null : new MountLine(Plain(words[3]), Plain(words[4]), words[dash + 1], Plain(words[dash + 2]));
    }

    private static string Plain(string word)
    {
        if (!word.Contains('\\', StringComparison.Ordinal))
        {
            return word;
        }

        var bytes = new List<byte>();
        for (var i = 0; i < word.Length; i++)
        {
            if (word[i] == '\\' && i + 3 < word.Length && word[(i + 1)..(i + 4)].All(c => c is >= '0' and <= '7'))
            {
                bytes.Add(Convert.ToByte(word[(i + 1)..(i + 4)], 8));
                i += 3;
            }
            else
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(word[i].ToString(CultureInfo.InvariantCulture)));
            }
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }
}
