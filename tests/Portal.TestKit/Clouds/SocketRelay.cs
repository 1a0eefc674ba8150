using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Portal.TestKit.Clouds;

/// <summary>A Unix socket or TCP address that relays everything to a Unix socket, until it is cut: a container engine
/// or database becomes unavailable for one installation only.</summary>
public sealed class SocketRelay : IAsyncDisposable
{
    private readonly string _target;
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-relay").FullName;
    private readonly ConcurrentDictionary<Socket, byte> _open = new();
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _gate = new();
    private IPEndPoint? _tcp;
    private Socket? _listener;
    private long _budget = long.MaxValue, _calls;

    private SocketRelay(string target, string name) => (_target, Path) = (target, System.IO.Path.Combine(_folder, name));

    /// <summary>How many requests went to the container engine so far.</summary>
    public long Calls => Interlocked.Read(ref _calls);

    public string Path { get; }

    /// <summary>Of a relay under a TCP address.</summary>
    public int Port => _tcp?.Port ?? throw new InvalidOperationException("This relay has no TCP address.");

    /// <param name="name">Name of the socket's file: clients of a database know only the folder and compute the name.</param>
    public static SocketRelay Start(string target, string name = "engine.sock")
    {
        var relay = new SocketRelay(target, name);
        relay.Restore();
        return relay;
    }

    /// <summary>The same on a free port of 127.0.0.1, which stays the same over cuts.</summary>
    public static SocketRelay StartTcp(string target)
    {
        var relay = new SocketRelay(target, "none") { _tcp = new(IPAddress.Loopback, 0) };
        relay.Restore();
        return relay;
    }

    /// <summary>Closes every connection and accepts no new one.</summary>
    public Task CutAsync()
    {
        lock (_gate) Cut();
        return Task.CompletedTask;
    }

    /// <summary>Cuts once this many more bytes were sent to the container engine.</summary>
    public void CutAfter(long bytes) => Interlocked.Exchange(ref _budget, bytes);

    public void Restore()
    {
        lock (_gate) Open();
    }

    private void Cut()
    {
        Interlocked.Exchange(ref _listener, null)?.Dispose();
        File.Delete(Path);
        foreach (var socket in _open.Keys)
        {
            socket.Dispose();
        }

        _open.Clear();
    }

    /// <summary>Whoever used up the bytes may come here when the relay has been restored already: then it stays as it is.</summary>
    private void CutIfUsedUp()
    {
        lock (_gate)
            if (Interlocked.Read(ref _budget) < 0) Cut();
    }

    private void Open()
    {
        Interlocked.Exchange(ref _budget, long.MaxValue);
        if (_listener is not null)
        {
            return;
        }

        File.Delete(Path);
        Socket listener;
        if (_tcp is null)
        {
            listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(Path));
        }
        else
        {
            listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            listener.Bind(_tcp);
            _tcp = (IPEndPoint)listener.LocalEndPoint!;
        }

        listener.Listen(64);
        _listener = listener;
        _ = AcceptAsync(listener);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await CutAsync();
        Directory.Delete(_folder, recursive: true);
        _end.Dispose();
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                var near = await listener.AcceptAsync(_end.Token);
                var far = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                _open[near] = _open[far] = 0;
                await far.ConnectAsync(new UnixDomainSocketEndPoint(_target), _end.Token);
                _ = PassAsync(near, far, counted: true);
                _ = PassAsync(far, near, counted: false);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // cut
        }
    }

    private async Task PassAsync(Socket from, Socket to, bool counted)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, SocketFlags.None, _end.Token) is > 0 and var read)
            {
                if (counted) Interlocked.Add(ref _calls, buffer.AsSpan(0, read).Count(" HTTP/1.1\r\n"u8));
                if (counted && Interlocked.Add(ref _budget, -read) < 0)
                {
                    CutIfUsedUp();
                    return;
                }

                for (var sent = 0; sent < read;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), SocketFlags.None, _end.Token);
                }
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            from.Dispose();
            to.Dispose();
        }
    }
}
