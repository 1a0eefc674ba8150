using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Portal.IntegrationTests.Proxy;

/// <summary>
/// An app that records what arrives and answers as instructed, byte for byte: no library reads or writes a header on its side. Text is Latin-1,
/// one character per byte.
/// </summary>
public sealed class RawApp : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ends = new();
    private Task _serving = Task.CompletedTask;

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Heads of all requests: request line and headers as they came.</summary>
    public ConcurrentQueue<string> Heads { get; } = new();

    /// <summary>The next responses, status line to body; the connection is closed after each, whatever of the request is still to come.</summary>
    public string Answer { get; set; } = Ok();

    public static string Ok(params string[] headers) =>
        $"HTTP/1.1 200 OK\r\n{string.Concat(headers.Select(h => h + "\r\n"))}Content-Length: 2\r\nConnection: close\r\n\r\nok";

    public static RawApp Start()
    {
        var app = new RawApp();
        app._listener.Start();
        app._serving = app.ServeAsync();
        return app;
    }

    public string Header(string name) => Headers(name).Single();

    /// <summary>All values of this header in the newest request.</summary>
    public string[] Headers(string name)
    {
        var lines = Heads.Last().Split("\r\n").Skip(1).Where(l => l.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase));
        return [.. lines.Select(l => l[(name.Length + 1)..].TrimStart(' '))];
    }

    public async ValueTask DisposeAsync()
    {
        await _ends.CancelAsync();
        _listener.Dispose();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ends.Dispose();
    }

    private async Task ServeAsync()
    {
        while (!_ends.IsCancellationRequested)
        {
            using var client = await _listener.AcceptTcpClientAsync(_ends.Token);
            try
            {
                await ServeAsync(client.GetStream());
            }
            catch (IOException)
            {
                // The proxy closed the connection; accept the next one all the same.
            }
        }
    }

    private async Task ServeAsync(NetworkStream stream)
    {
        Heads.Enqueue(await RawCall.ReadHeadAsync(stream, _ends.Token));
        await stream.WriteAsync(Encoding.Latin1.GetBytes(Answer), _ends.Token);
    }
}

/// <summary>One raw request, and its response. Text is Latin-1, one character per byte.</summary>
public static class RawCall
{
    /// <param name="request">Request line, headers and body as they go out.</param>
    /// <returns>Everything until the other side closes.</returns>
    public static async Task<string> SendAsync(int port, string request, CancellationToken cancel)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, cancel);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), cancel);
        using var all = new MemoryStream();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        await stream.CopyToAsync(all, patience.Token);
        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>Up to the empty line, which is not part of it.</summary>
    public static async Task<string> ReadHeadAsync(Stream stream, CancellationToken cancel)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!EndsWith(head, "\r\n\r\n"))
        {
            if (await stream.ReadAsync(one, cancel) == 0) throw new EndOfStreamException(head.ToString());
            head.Append((char)one[0]);
        }
        return head.ToString(0, head.Length - 4);
    }

    private static bool EndsWith(StringBuilder text, string end) => text.Length >= end.Length && text.ToString(text.Length - end.Length, end.Length) == end;
}
