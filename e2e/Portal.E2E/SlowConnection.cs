using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Portal.E2E;

/// <summary>A slow connection to the portal: a loopback relay that delays every byte in each
/// direction, as for a person on a train or another continent.</summary>
public sealed class SlowConnection : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly TimeSpan _oneWay;
    private readonly int _port;
    private readonly Task _accepting;
    private int _taken;
    private long _moved = TimeProvider.System.GetTimestamp();

    private SlowConnection(int port, TimeSpan oneWay)
    {
        (_port, _oneWay) = (port, oneWay);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections through the relay so far: a browser that bypassed it proves nothing.</summary>
    public int Taken => _taken;

    /// <param name="port">Port of the portal, on loopback.</param>
    public static SlowConnection To(int port, TimeSpan roundTrip) => new(port, roundTrip / 2);

    /// <summary>Completes when nothing has been carried for four round trips: what was sent has been answered, and there is no more to come.</summary>
    public async Task RestAsync()
    {
        while (8 * _oneWay - TimeProvider.System.GetElapsedTime(Volatile.Read(ref _moved)) is var rest && rest > TimeSpan.Zero)
            await Task.Delay(rest, TimeProvider.System, _end.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var near = await _listener.AcceptTcpClientAsync(_end.Token);
                Interlocked.Increment(ref _taken);
                _ = CarryAsync(near);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task CarryAsync(TcpClient near)
    {
        using (near)
        using (var far = new TcpClient { NoDelay = true })
        {
            near.NoDelay = true;
            try
            {
                await far.ConnectAsync(IPAddress.Loopback, _port, _end.Token);
                await Task.WhenAny(PassAsync(near.GetStream(), far.GetStream()), PassAsync(far.GetStream(), near.GetStream()));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
            {
                // One side has closed; close the other with it.
            }
        }
    }

    /// <summary>Delays everything by the same time, preserving order and pace: no byte waits for the one before it.</summary>
    private async Task PassAsync(NetworkStream from, NetworkStream to)
    {
        var clock = TimeProvider.System;
        var under = Channel.CreateUnbounded<(long At, byte[] Bytes)>();
        var reading = ReadAsync(from, under.Writer, clock);
        await foreach (var (at, bytes) in under.Reader.ReadAllAsync(_end.Token))
        {
            var rest = _oneWay - clock.GetElapsedTime(at);
            if (rest > TimeSpan.Zero) await Task.Delay(rest, clock, _end.Token);
            await to.WriteAsync(bytes, _end.Token);
            Volatile.Write(ref _moved, clock.GetTimestamp());
        }
        await reading;
    }

    private async Task ReadAsync(NetworkStream from, ChannelWriter<(long At, byte[] Bytes)> under, TimeProvider clock)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReadAsync(buffer, _end.Token) is var read and > 0)
            {
                Volatile.Write(ref _moved, clock.GetTimestamp());
                under.TryWrite((clock.GetTimestamp(), buffer[..read]));
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The connection ended: what is in transit still arrives.
        }
        finally
        {
            under.Complete();
        }
    }
}
