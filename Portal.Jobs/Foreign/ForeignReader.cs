using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace Portal.Jobs.Foreign;

/// <param name="Bytes">Maximum number of bytes.</param>
/// <param name="Time">Maximum time from the start of the read to its end.</param>
public sealed record ReadLimit(int Bytes, TimeSpan Time);

/// <summary>The input is larger than the limit, or does not end in time.</summary>
public sealed class ReadLimitException(ReadLimit limit, bool tooLong)
    : IOException(tooLong ? $"the response is longer than {limit.Bytes >> 10} KiB" : $"the response was not complete within {limit.Time.TotalSeconds:0} s")
{
    /// <summary>It is larger than the limit; false: it does not end in time.</summary>
    public bool TooLong => tooLong;
}

/// <summary>
/// The only place where bytes from a workspace are read: HTTP responses, WebSocket messages, command output, logs. Each read has a size limit
/// and a time limit, and uses no more memory than that. A test forbids every other way.
/// </summary>
public sealed class ForeignReader(TimeProvider clock)
{
    /// <summary>How many responses this process parses at once: a tree of small JSON values takes many times the memory of its text.</summary>
    private const int ParsedAtOnce = 16;

    private const int Chunk = 16 << 10;
    private static readonly SemaphoreSlim Parsing = new(ParsedAtOnce);

    /// <summary>Reads to the end and passes on each part. Throws <see cref="ReadLimitException"/>.</summary>
    /// <param name="read">Reads some bytes into the buffer and returns how many; 0 at the end.</param>
    /// <param name="take">Receives each part; the memory is valid only during the call.</param>
    public async Task ToEndAsync(
        ReadLimit limit, Func<byte[], CancellationToken, ValueTask<int>> read, Action<ReadOnlyMemory<byte>> take, CancellationToken cancel)
    {
        using var own = new CancellationTokenSource(limit.Time, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
        var buffer = new byte[Chunk]; // not from a pool: a read that is given up may still write to it
        try
        {
            var left = limit.Bytes;
            // Not every source looks at the token: neither one that always has something, nor the container engine's streams while they wait.
            while (await read(buffer, until.Token).AsTask().WaitAsync(until.Token) is var got and > 0)
            {
                until.Token.ThrowIfCancellationRequested();
                if ((left -= got) < 0) throw new ReadLimitException(limit, tooLong: true);
                take(buffer.AsMemory(0, got));
            }
        }
        catch (OperationCanceledException) when (own.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw new ReadLimitException(limit, tooLong: false);
        }
    }

    /// <summary>The text of a stream, as UTF-8; invalid bytes become U+FFFD.</summary>
    public async Task<string> TextAsync(Stream stream, ReadLimit limit, CancellationToken cancel)
    {
        using var all = new MemoryStream();
        await ToEndAsync(limit, (buffer, until) => stream.ReadAsync(buffer, until), part => all.Write(part.Span), cancel);
        return Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length);
    }

    /// <summary>The text of a response.</summary>
    public async Task<string> TextAsync(HttpContent content, ReadLimit limit, CancellationToken cancel) =>
        await TextAsync(await content.ReadAsStreamAsync(cancel), limit, cancel);

    /// <summary>Reads a response only to find its end.</summary>
    public async Task DropAsync(HttpContent content, ReadLimit limit, CancellationToken cancel)
    {
        var stream = await content.ReadAsStreamAsync(cancel);
        await ToEndAsync(limit, (buffer, until) => stream.ReadAsync(buffer, until), _ => { }, cancel);
    }

    /// <summary>Converts a response's JSON. Throws <see cref="JsonException"/> too.</summary>
    public async Task<T> JsonAsync<T>(HttpContent content, ReadLimit limit, Func<JsonElement, T> make, CancellationToken cancel)
    {
        using var all = new MemoryStream();
        var stream = await content.ReadAsStreamAsync(cancel);
        await ToEndAsync(limit, (buffer, until) => stream.ReadAsync(buffer, until), part => all.Write(part.Span), cancel);
        return await ParseAsync(all, make, cancel);
    }

    /// <summary>Converts the next text message on a socket; default for a binary one. Also returns its size.</summary>
    public async Task<(T? Made, int Bytes)> MessageAsync<T>(WebSocket socket, ReadLimit limit, Func<JsonElement, T> make, CancellationToken cancel)
    {
        using var all = new MemoryStream();
        var (ended, text) = (false, true);
        await ToEndAsync(limit, async (buffer, until) =>
        {
            while (!ended)
            {
                until.ThrowIfCancellationRequested();
                var got = await socket.ReceiveAsync(buffer.AsMemory(), until);
                if (got.MessageType == WebSocketMessageType.Close)
                {
                    throw new WebSocketException(WebSocketError.ConnectionClosedPrematurely, "The app closed the channel.");
                }

                (ended, text) = (got.EndOfMessage, got.MessageType == WebSocketMessageType.Text);
                if (got.Count > 0) return got.Count;
            }
            return 0;
        }, part => all.Write(part.Span), cancel);
        return (text ? await ParseAsync(all, make, cancel) : default, (int)all.Length);
    }

    private static async Task<T> ParseAsync<T>(MemoryStream text, Func<JsonElement, T> make, CancellationToken cancel)
    {
        await Parsing.WaitAsync(cancel);
        try
        {
            using var json = JsonDocument.Parse(text.GetBuffer().AsMemory(0, (int)text.Length));
            return make(json.RootElement);
        }
        finally
        {
            Parsing.Release();
        }
    }
}
