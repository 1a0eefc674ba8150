using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portal.Jobs.Proofs;

/// <summary>The app answered, and not as a Jupyter server does.</summary>
public sealed class KernelException(HttpStatusCode? status, string message) : Exception(message)
{
    /// <summary>Of the HTTP answer, where there was one.</summary>
    public HttpStatusCode? Status => status;
}

/// <summary>One kernel of a Jupyter server, from start to end, in Jupyter's message protocol over a WebSocket (JSON frames).</summary>
public static class Kernel
{
    private const int LongestMessage = 1 << 20;
    private static readonly TimeSpan ForCleaning = TimeSpan.FromSeconds(5);

    /// <summary>What one expression evaluates to, as Python prints it. Throws <see cref="KernelException"/>, or what the network throws.</summary>
    public static async Task<string> EvaluateAsync(AppVisit app, string expression, TimeProvider clock, CancellationToken cancel) =>
        await RunAsync(app, folder: null, [expression], clock, cancel);

    /// <summary>Runs cells one after another in one kernel, and answers what the last printed or evaluated to. Throws at the first that fails.</summary>
    /// <param name="folder">Where the kernel begins, below the notebook's root; null for the root.</param>
    public static async Task<string> RunAsync(AppVisit app, string? folder, IReadOnlyList<string> cells, TimeProvider clock, CancellationToken cancel)
    {
        var id = await StartAsync(app, folder, cancel);
        try
        {
            using var socket = await app.ConnectAsync($"/api/kernels/{id}/channels", cancel);
            var session = NewId(clock);
            var said = "";
            foreach (var cell in cells) said = await CellAsync(socket, cell, session, clock, cancel);
            return said;
        }
        finally
        {
            await EndAsync(app, id, clock);
        }
    }

    private static async Task<string> CellAsync(ClientWebSocket socket, string code, string session, TimeProvider clock, CancellationToken cancel)
    {
        var message = NewId(clock);
        var said = new StringBuilder();
        await socket.SendAsync(Execute(code, session, message, clock.GetUtcNow()), WebSocketMessageType.Text, endOfMessage: true, cancel);
        while (true)
        {
            var heard = await ReceiveAsync(socket, cancel);
            if (heard?["parent_header"]?["msg_id"]?.GetValue<string>() != message) continue;
            var content = heard["content"];
            var state = content?["execution_state"]?.GetValue<string>();
            switch (heard["msg_type"]?.GetValue<string>() ?? heard["header"]?["msg_type"]?.GetValue<string>())
            {
                case "stream" when said.Length < LongestMessage: said.Append(content?["text"]?.GetValue<string>()); break;
                case "execute_result": said.Append(content?["data"]?["text/plain"]?.GetValue<string>()); break;
                case "error": throw new KernelException(null, $"The kernel answered {content?["ename"]}: {content?["evalue"]}");
                case "status" when state == "idle": return said.ToString();
            }
        }
    }

    private static async Task<string> StartAsync(AppVisit app, string? folder, CancellationToken cancel)
    {
        using var body = JsonContent.Create(folder is null ? new Dictionary<string, string>(StringComparer.Ordinal) : new(StringComparer.Ordinal) { ["path"] = folder });
        using var answer = await app.SendAsync(HttpMethod.Post, "/api/kernels", cancel, body);
        if (answer.StatusCode != HttpStatusCode.Created) throw new KernelException(answer.StatusCode, $"Starting a kernel was answered with {(int)answer.StatusCode}.");
        var kernel = await answer.Content.ReadFromJsonAsync<JsonElement>(cancel);
        return kernel.GetProperty("id").GetString() is { } id && Guid.TryParse(id, out _) ? id : throw new KernelException(answer.StatusCode, "Starting a kernel was answered without an id.");
    }

    /// <summary>Also after a failure or a cancel: a forgotten kernel would use the student's memory.</summary>
    private static async Task EndAsync(AppVisit app, string id, TimeProvider clock)
    {
        using var own = new CancellationTokenSource(ForCleaning, clock);
        try
        {
            using var answer = await app.SendAsync(HttpMethod.Delete, $"/api/kernels/{id}", own.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // It goes with its container at the latest.
        }
    }

    private static byte[] Execute(string code, string session, string message, DateTimeOffset now) => JsonSerializer.SerializeToUtf8Bytes(new
    {
        header = new { msg_id = message, username = "portal", session, msg_type = "execute_request", version = "5.3", date = now },
        parent_header = new { },
        metadata = new { },
        content = new { code, silent = false, store_history = false, user_expressions = new { }, allow_stdin = false, stop_on_error = true },
        buffers = Array.Empty<object>(),
        channel = "shell",
    });

    private static async Task<JsonNode?> ReceiveAsync(ClientWebSocket socket, CancellationToken cancel)
    {
        var all = new MemoryStream();
        var buffer = new byte[16 << 10];
        while (true)
        {
            var got = await socket.ReceiveAsync(buffer.AsMemory(), cancel);
            if (got.MessageType == WebSocketMessageType.Close) throw new WebSocketException(WebSocketError.ConnectionClosedPrematurely, "The app closed the kernel's channel.");
            all.Write(buffer, 0, got.Count);
            if (all.Length > LongestMessage) throw new KernelException(null, "The kernel's answer is longer than a megabyte.");
            if (!got.EndOfMessage) continue;
            all.Position = 0;
            return got.MessageType == WebSocketMessageType.Text ? await JsonNode.ParseAsync(all, cancellationToken: cancel) : null;
        }
    }

    private static string NewId(TimeProvider clock) => Guid.CreateVersion7(clock.GetUtcNow()).ToString("N");
}
