using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A notebook server whose owner decides what it answers: anything, and endlessly.</summary>
internal sealed class HostileNotebook : IAsyncDisposable
{
    private readonly WebApplication _app;
    private long _sent;

    private HostileNotebook(WebApplication app) => _app = app;

    public int Port => new Uri(_app.Urls.First()).Port;

    /// <summary>Bytes that clients have read from it.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <param name="start">Its response to the start of a kernel, with 201.</param>
    /// <param name="compute">What it does on the kernel's channel; the header of the request is given.</param>
    public static async Task<HostileNotebook> StartAsync(
        Func<HostileNotebook, HttpContext, Task>? start = null, Func<HostileNotebook, WebSocket, JsonNode, CancellationToken, Task>? compute = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var it = new HostileNotebook(app);
        app.UseWebSockets();
        app.MapPost("/api/kernels", async http =>
        {
            (http.Response.StatusCode, http.Response.ContentType) = (StatusCodes.Status201Created, "application/json");
            if (start is null) await http.Response.WriteAsync($$"""{"id": "{{Guid.CreateVersion7()}}"}""");
            else await start(it, http);
        });
        app.MapDelete("/api/kernels/{id}", () => Results.NoContent());
        app.Map("/api/kernels/{id}/channels", async (HttpContext http) =>
        {
            using var socket = await http.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[1 << 16];
            var got = await socket.ReceiveAsync(buffer, http.RequestAborted);
            try { await compute!(it, socket, JsonNode.Parse(buffer.AsSpan(0, got.Count))!["header"]!, http.RequestAborted); }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException) { return; } // no one is reading any more
            while (socket.State == WebSocketState.Open) await socket.ReceiveAsync(buffer, http.RequestAborted);
        });
        await app.StartAsync();
        return it;
    }

    public async Task SendAsync(WebSocket socket, string text, bool end, CancellationToken cancel)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        await socket.SendAsync(bytes, WebSocketMessageType.Text, end, cancel);
        Interlocked.Add(ref _sent, bytes.Length);
    }

    /// <summary>A message of Jupyter's protocol as text; <paramref name="content"/> is JSON.</summary>
    public static string Message(string type, JsonNode header, string content) =>
        $$"""{"msg_type": "{{type}}", "parent_header": {{header.ToJsonString()}}, "content": {{content}}}""";

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
