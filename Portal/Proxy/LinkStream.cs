using System.Buffers;
using System.Text;

namespace Portal.Proxy;

/// <summary>
/// A compute engine's page on its way to the browser, with links to the workspace's other nodes rewritten to their apps' hosts. It is streamed: only
/// the few bytes that may begin a link are buffered, however long the page is. Beyond the limits on size and time below, the rest of a page
/// passes unchanged.
/// </summary>
public sealed class LinkStream(Stream page, AppLinks links, TimeProvider clock) : Stream
{
    /// <summary>How much of a page is scanned, bytes.</summary>
    public const long Longest = 16 << 20;

    /// <summary>Maximum CPU time per page; waiting does not count.</summary>
    private static readonly TimeSpan MostWork = TimeSpan.FromSeconds(1);

    private const int Piece = 16 << 10;
    private readonly byte[] _seen = new byte[Piece];
    private readonly ArrayBufferWriter<byte> _ready = new(Piece);
    private int _have, _given;
    private byte _before = (byte)'\n';
    private bool _ended;
    private long _read;
    private TimeSpan _work;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length == 0) return 0;
        while (_given == _ready.WrittenCount)
        {
            if (_ended) return 0;
            _ready.ResetWrittenCount();
            _given = 0;
            var got = await page.ReadAsync(_seen.AsMemory(_have), cancellationToken);
            _ended = got == 0;
            _have += got;
            _read += got;
            var settled = _read <= Longest && _work < MostWork ? Work() : Pass();
            if (settled > 0) _before = _seen[settled - 1];
            _seen.AsSpan(settled, _have - settled).CopyTo(_seen);
            _have -= settled;
        }
        var count = Math.Min(buffer.Length, _ready.WrittenCount - _given);
        _ready.WrittenMemory.Slice(_given, count).CopyTo(buffer);
        _given += count;
        return count;
    }

    private int Work()
    {
        var began = clock.GetTimestamp();
        var settled = Settle(_seen.AsSpan(0, _have), _ended);
        _work += clock.GetElapsedTime(began);
        return settled;
    }

    private int Pass()
    {
        _ready.Write(_seen.AsSpan(0, _have));
        return _have;
    }

    /// <summary>Writes the text that cannot change any more; returns how much that was.</summary>
    private int Settle(ReadOnlySpan<byte> text, bool last)
    {
        var from = 0;
        for (var search = 0; ;)
        {
            var found = text[search..].IndexOf("//"u8);
            if (found < 0)
            {
                // "http:/" may begin a link whose rest has not arrived.
                var safe = last ? text.Length : text.Length - Math.Min(Beginning(text), text.Length - from);
                _ready.Write(text[from..safe]);
                return safe;
            }
            var at = search + found;
            search = at + 2;
            if (Begin(text, at, from) is not { } begin) continue;
            var (link, end) = links.Read(text, at, last);
            if (end < 0)
            {
                _ready.Write(text[from..begin]);
                return begin;
            }
            if (link is null) continue;
            _ready.Write(text[from..begin]);
            _ready.Write(Encoding.ASCII.GetBytes(links.OriginOf(link)));
            from = search = end;
        }
    }

    /// <summary>How many of the last bytes may be the beginning of a link.</summary>
    private static int Beginning(ReadOnlySpan<byte> text)
    {
        for (var count = Math.Min(6, text.Length); count > 1; count--)
            if (Ascii.EqualsIgnoreCase(text[^count..], "http:/"u8[..count])) return count;
        return text is [.., (byte)'/' or (byte)'h' or (byte)'H'] ? 1 : 0;
    }

    /// <summary>Start of the link that has "//" here; null if they belong to something else, such as another scheme or a comment.</summary>
    private int? Begin(ReadOnlySpan<byte> text, int at, int from)
    {
        var before = Before(text, at);
        if (before != ':') return before is (byte)'"' or (byte)'\'' or (byte)'=' or (byte)'(' ? at : null;
        if (at - from < 5 || !Ascii.EqualsIgnoreCase(text[(at - 5)..(at - 1)], "http"u8)) return null;
        before = Before(text, at - 5);
        return char.IsAsciiLetterOrDigit((char)before) || before is (byte)'+' or (byte)'-' or (byte)'.' ? null : at - 5;
    }

    private byte Before(ReadOnlySpan<byte> text, int position) => position > 0 ? text[position - 1] : _before;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Only asynchronous reading.");
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) page.Dispose();
        base.Dispose(disposing);
    }
}
