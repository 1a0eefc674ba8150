using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A server on loopback that accepts every connection and every request, and never answers.</summary>
public sealed class SilentServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _accepting;

    public SilentServer()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Address => $"http://{_listener.LocalEndpoint}";
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Ends with the first request.</summary>
    public Task Asked => _asked.Task;

    /// <summary>The first line of every request.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>How long each client waited before it gave up.</summary>
    public ConcurrentQueue<TimeSpan> Waits { get; } = [];

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true) open.Add(ListenAsync(await _listener.AcceptTcpClientAsync()));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task ListenAsync(TcpClient client)
    {
        using var _ = client;
        var began = Stopwatch.GetTimestamp();
        try
        {
            using var reader = new StreamReader(client.GetStream());
            if (await reader.ReadLineAsync() is { } line)
            {
                Requests.Enqueue(line);
                _asked.TrySetResult();
                while (await reader.ReadLineAsync() is not null) { }
            }
        }
        catch (IOException)
        {
            // reset by the client, which is one way to hang up
        }

        Waits.Enqueue(Stopwatch.GetElapsedTime(began));
    }
}
