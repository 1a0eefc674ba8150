using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Portal.TestKit;

/// <summary>
/// An HTTP server over bare sockets, for answers that no server would give. It counts what the kernel has taken from it: a web server would count
/// what it writes to a connection that is gone.
/// </summary>
public sealed class SocketServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly Func<SocketServer, Socket, string, Task> _answer;
    private readonly CancellationTokenSource _over = new();
    private readonly Task _serving;
    private long _sent;

    /// <param name="answer">Answers one request; its first line is given.</param>
    public SocketServer(EndPoint at, Func<SocketServer, Socket, string, Task> answer)
    {
        _answer = answer;
        _listener = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(at);
        _listener.Listen();
        _serving = ServeAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>Bytes of all answers so far.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    public async Task SendAsync(Socket connection, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var at = 0; at < bytes.Length;)
        {
            var taken = await connection.SendAsync(bytes.AsMemory(at), _over.Token);
            at += taken;
            Interlocked.Add(ref _sent, taken);
        }
    }

    /// <summary>One chunk of a chunked answer.</summary>
    public Task SendChunkAsync(Socket connection, string text) => SendAsync(connection, $"{Encoding.UTF8.GetByteCount(text):x}\r\n{text}\r\n");

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _serving;
        _listener.Dispose();
        _over.Dispose();
    }

    private async Task ServeAsync()
    {
        var answers = new List<Task>();
        try
        {
            while (true) answers.Add(AnswerAsync(await _listener.AcceptAsync(_over.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(answers);
        }
    }

    private async Task AnswerAsync(Socket connection)
    {
        using (connection)
        {
            try
            {
                for (string request; (request = await RequestAsync(connection)).Length > 0;) await _answer(this, connection, request.Split('\r')[0]);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // the client has closed the connection, or the test is over
            }
        }
    }

    /// <summary>One request without a long body; empty at the end of the connection.</summary>
    private async Task<string> RequestAsync(Socket connection)
    {
        var (request, part) = ("", new byte[4096]);
        while (!request.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            var read = await connection.ReceiveAsync(part, _over.Token);
            if (read == 0) return "";
            request += Encoding.ASCII.GetString(part, 0, read);
        }
        return request;
    }
}
