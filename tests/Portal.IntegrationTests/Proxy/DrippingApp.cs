using System.Net;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>An app whose response never ends: a drop of it comes whenever the test says so.</summary>
internal sealed class DrippingApp : IAsyncDisposable
{
    private readonly SemaphoreSlim _drops = new(0);
    private readonly CancellationTokenSource _end = new();
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SocketServer _server;

    /// <param name="beginning">Sent at once.</param>
    /// <param name="drop">Sent again and again.</param>
    public DrippingApp(string beginning, string drop) => _server = new(new IPEndPoint(IPAddress.Loopback, 0), async (it, connection, _) =>
    {
        await it.SendAsync(connection, beginning);
        _asked.TrySetResult();
        while (true)
        {
            await _drops.WaitAsync(_end.Token);
            await it.SendAsync(connection, drop);
        }
    });

    public int Port => _server.Port;

    /// <summary>Completes once a request has arrived.</summary>
    public Task Asked => _asked.Task;

    public async Task DripAsync(CancellationToken cancel)
    {
        var before = _server.Sent;
        _drops.Release();
        await Until.TrueAsync("a drop has left", () => _server.Sent > before, cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _server.DisposeAsync();
        _drops.Dispose();
        _end.Dispose();
    }
}
