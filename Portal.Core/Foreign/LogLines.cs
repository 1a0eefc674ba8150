using System.Text;

namespace Portal.Core.Foreign;

/// <summary>Splits a stream of bytes into clean lines. An endless line takes no more memory than its first part.</summary>
public sealed class LogLines
{
    /// <summary>Limit per line; the rest of the line is dropped.</summary>
    private const int MostBytes = 8 * 1024;
    private readonly byte[] _open = new byte[MostBytes];
    private int _length;

    /// <summary>The lines completed by these bytes, without empty ones.</summary>
    public IReadOnlyList<string> Add(ReadOnlySpan<byte> bytes)
    {
        var lines = new List<string>();
        while (bytes.IndexOf((byte)'\n') is var end and >= 0)
        {
            Keep(bytes[..end]);
            Close(lines);
            bytes = bytes[(end + 1)..];
        }
        Keep(bytes);
        return lines;
    }

    /// <summary>The unfinished line, if any, when the stream ends.</summary>
    public IReadOnlyList<string> End()
    {
        var lines = new List<string>();
        Close(lines);
        return lines;
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        var some = bytes[..Math.Min(bytes.Length, MostBytes - _length)];
        some.CopyTo(_open.AsSpan(_length));
        _length += some.Length;
    }

    private void Close(List<string> lines)
    {
        lines.AddRange(ForeignText.Lines(Encoding.UTF8.GetString(_open, 0, _length), 1));
        _length = 0;
    }
}
