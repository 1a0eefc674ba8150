using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Portal.Core.Foreign;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Proofs;

/// <summary>The app answered, but not like a Jupyter server.</summary>
public sealed class KernelException(HttpStatusCode? status, string message) : Exception(message)
{
    /// <summary>Status of the HTTP response, if that explains what is wrong.</summary>
    public HttpStatusCode? Status => status;
}

/// <summary>One kernel of a Jupyter server, from start to end, in Jupyter's message protocol over a WebSocket (JSON frames).</summary>
public static class Kernel
{
    /// <summary>Limit for all messages of one cell together, bytes; an example's plots are among them.</summary>
    private const int MostOfACell = 32 << 20;

    /// <summary>How much of a cell's output is kept, UTF-16 units.</summary>
    private const int MostOutput = 1 << 20;

    /// <summary>Limit for each part of a cell's error.</summary>
    private const int LongestError = 300;

    // The caller limits the whole wait for a message, because a cell may compute for a long time.
    private static readonly ReadLimit Started = new(64 << 10, TimeSpan.FromSeconds(20)), Message = new(1 << 20, TimeSpan.FromMinutes(15));
    private static readonly TimeSpan ForCleaning = TimeSpan.FromSeconds(5);

    /// <summary>The value of one expression, as Python prints it. Throws <see cref="KernelException"/> or network exceptions.</summary>
    public static async Task<string> EvaluateAsync(AppVisit app, string expression, TimeProvider clock, CancellationToken cancel) =>
        await RunAsync(app, folder: null, [expression], clock, cancel);

    /// <summary>Runs cells one after another in one kernel and returns what the last one printed or evaluated to. Throws at the first that fails.</summary>
    /// <param name="folder">The kernel's working folder, relative to the notebook's root; null for the root.</param>
    public static async Task<string> RunAsync(AppVisit app, string? folder, IReadOnlyList<string> cells, TimeProvider clock, CancellationToken cancel)
    {
        var reader = new ForeignReader(clock);
        var id = await StartAsync(app, folder, reader, cancel);
        try
        {
            using var socket = await app.ConnectAsync($"/api/kernels/{id}/channels", cancel);
            var session = NewId(clock);
            var output = "";
            foreach (var cell in cells) output = await CellAsync(socket, reader, cell, session, clock, cancel);
            return output;
        }
        finally
        {
            await EndAsync(app, id, clock);
        }
    }

    private static async Task<string> CellAsync(
        ClientWebSocket socket, ForeignReader reader, string code, string session, TimeProvider clock, CancellationToken cancel)
    {
        var message = NewId(clock);
        var output = new StringBuilder();
        await socket.SendAsync(Execute(code, session, message, clock.GetUtcNow()), WebSocketMessageType.Text, endOfMessage: true, cancel);
        for (var left = MostOfACell; left >= 0;)
        {
            var (heard, bytes) = await reader.MessageAsync(socket, Message, KernelMessage.Of, cancel);
            left -= Math.Max(1, bytes); // empty messages count towards the limit too
            if (heard?.Parent != message) continue;
            switch (heard.Type)
            {
                case "stream" or "execute_result" when output.Length < MostOutput: output.Append(heard.Text); break;
                case "error":
                    var (name, text) = (ForeignText.Clean(heard.Name, LongestError), ForeignText.Clean(heard.Text, LongestError));
                    throw new KernelException(null, $"The kernel answered {name}: {text}");
                case "status" when heard.State == "idle": return output.ToString();
            }
        }
        throw new KernelException(null, $"The kernel's output for one cell is longer than {MostOfACell >> 20} MiB.");
    }

    private static async Task<string> StartAsync(AppVisit app, string? folder, ForeignReader reader, CancellationToken cancel)
    {
        using var body =
            JsonContent.Create(folder is null ? new Dictionary<string, string>(StringComparer.Ordinal) : new(StringComparer.Ordinal) { ["path"] = folder });
        using var answer = await app.SendAsync(HttpMethod.Post, "/api/kernels", cancel, body);
        if (answer.StatusCode != HttpStatusCode.Created)
            throw new KernelException(answer.StatusCode, $"The request to start a kernel returned {(int)answer.StatusCode}.");
        var id = await reader.JsonAsync(answer.Content, Started, kernel => ForeignJson.Text(kernel, "id"), cancel);
        return Guid.TryParse(id, out var known) ? known.ToString("D") : throw new KernelException(null, "The request to start a kernel returned no id.");
    }

    /// <summary>Also after a failure or a cancel, because a forgotten kernel would use the student's memory.</summary>
    private static async Task EndAsync(AppVisit app, string id, TimeProvider clock)
    {
        using var own = new CancellationTokenSource(ForCleaning, clock);
        try
        {
            using var answer = await app.SendAsync(HttpMethod.Delete, $"/api/kernels/{id}", own.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // It ends when its container does, if not before.
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

    private static string NewId(TimeProvider clock) => Guid.CreateVersion7(clock.GetUtcNow()).ToString("N");

    /// <summary>The parts of a message that matter here; what violates the protocol is null.</summary>
    private sealed record KernelMessage(string? Parent, string? Type, string? State, string? Name, string? Text)
    {
        public static KernelMessage Of(JsonElement message)
        {
            var type = ForeignJson.Text(message, "msg_type") ?? ForeignJson.Text(message, "header", "msg_type");
            var text = type switch
            {
                "stream" => ForeignJson.Text(message, "content", "text"),
                "execute_result" => ForeignJson.Text(message, "content", "data", "text/plain"),
                "error" => ForeignJson.Text(message, "content", "evalue"),
                _ => null,
            };
            var (state, name) = (ForeignJson.Text(message, "content", "execution_state"), ForeignJson.Text(message, "content", "ename"));
            return new(ForeignJson.Text(message, "parent_header", "msg_id"), type, state, name, text);
        }
    }
}
