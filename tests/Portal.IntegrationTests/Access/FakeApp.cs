using System.Collections.Concurrent;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Portal.IntegrationTests.Access;

/// <summary>Plays a notebook for the proxy: a server that records every header, answers as the test wants, and holds sockets and downloads open.</summary>
public sealed class FakeApp : IAsyncDisposable
{
    private readonly WebApplication _app;

    private FakeApp(WebApplication app) => _app = app;

    public int Port => new Uri(_app.Urls.First()).Port;

    /// <summary>"GET /path" of everything that arrived.</summary>
    public ConcurrentQueue<string> Arrived { get; } = new();

    /// <summary>Headers of the newest request.</summary>
    public IReadOnlyDictionary<string, string> Heard { get; private set; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <param name="address">Where it listens; 0.0.0.0 to play several nodes at the same time.</param>
    /// <param name="more">Additional responses.</param>
    public static async Task<FakeApp> StartAsync(string address = "127.0.0.1", Action<WebApplication>? more = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = $"http://{address}:0";
        builder.Logging.ClearProviders();
        builder.Services.Configure<KestrelServerOptions>(o =>
        {
            o.Limits.MaxRequestBodySize = null;
            o.ResponseHeaderEncodingSelector = _ => System.Text.Encoding.Latin1;
        });
        var app = builder.Build();
        var fake = new FakeApp(app);
        app.UseWebSockets();
        app.Use((http, next) =>
        {
            fake.Arrived.Enqueue($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}");
            fake.Heard = http.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
            return next(http);
        });
        more?.Invoke(app);
        app.Map("/ws", EchoAsync);
        app.Map("/slow", DripAsync);
        app.Map("/count", async (HttpContext http) =>
        {
            var (buffer, sum) = (new byte[1 << 16], 0L);
            int got;
            while ((got = await http.Request.Body.ReadAsync(buffer, http.RequestAborted)) > 0) sum += got;
            return $"{sum}";
        });
        app.Map("/leak", (HttpContext http) =>
        {
            // An app that tries everything: its own token in headers, cookies for its siblings, the names of our cookies.
            var token = http.Request.Headers.Authorization.ToString().Replace("token ", "", StringComparison.Ordinal);
            http.Response.Headers["Authorization"] = $"token {token}";
            http.Response.Headers["X-Anything"] = token;
            http.Response.Headers.Location = $"/lab?token={token}";
            http.Response.Headers.AltSvc = "h2=\":1\"";
            http.Response.Headers.Append("Set-Cookie", "mine=1; Path=/");
            http.Response.Headers.Append("Set-Cookie", "tossed=1; Domain=apps.localhost; Path=/");
            http.Response.Headers.Append("Set-Cookie", "__Host-portal-t1e2s=stolen; Path=/; Secure");
            http.Response.Headers.Append("Set-Cookie", "__Host-app-t1e2s=stolen; Path=/; Secure");
            return "tried";
        });
        app.Map("/{**rest}", (HttpContext http) => $"{http.Request.Method} {http.Request.Path}");
        await app.StartAsync();
        return fake;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static async Task EchoAsync(HttpContext http)
    {
        using var socket = await http.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[4096];
        while (await socket.ReceiveAsync(buffer, http.RequestAborted) is { MessageType: not WebSocketMessageType.Close } got)
            await socket.SendAsync(buffer.AsMemory(0, got.Count), WebSocketMessageType.Text, true, http.RequestAborted);
    }

    private static async Task DripAsync(HttpContext http)
    {
        while (!http.RequestAborted.IsCancellationRequested)
        {
            await http.Response.WriteAsync(".", http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, http.RequestAborted);
        }
    }
}
