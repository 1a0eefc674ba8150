using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portal.IntegrationTests.Proxy;

/// <summary>Jupyter's kernel protocol over a WebSocket of its server.</summary>
internal static class KernelSocket
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static JsonObject Cell(string code) => new() { ["code"] = code, ["silent"] = false, ["store_history"] = false, ["allow_stdin"] = false };

    /// <summary>Sends one message and returns what the kernel displayed by the time it was idle again, or evaluated.</summary>
    public static async Task<string> SayAsync(this ClientWebSocket socket, string type, JsonObject content)
    {
        var id = $"{Guid.CreateVersion7():N}";
        var message = new JsonObject
        {
            ["header"] = new JsonObject
            {
                ["msg_id"] = id,
                ["msg_type"] = type,
                ["session"] = "s",
                ["username"] = "",
                ["version"] = "5.3",
                ["date"] = "2026-01-01T00:00:00Z",
            },
            ["parent_header"] = new JsonObject(),
            ["metadata"] = new JsonObject(),
            ["content"] = content,
            ["channel"] = "shell",
            ["buffers"] = new JsonArray(),
        };
        await socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(message), WebSocketMessageType.Text, true, Cancel);
        var output = "";
        while (true)
        {
            var heard = JsonNode.Parse(await socket.HearAsync())!;
            if ((string?)heard["parent_header"]?["msg_id"] != id) continue;
            if ((string?)heard["content"]?["data"]?["text/plain"] is { } value) output = value;
            ((string?)heard["msg_type"]).ShouldNotBe("error", heard["content"]?.ToJsonString());
            if ((string?)heard["content"]?["execution_state"] == "idle") return output;
        }
    }

    /// <summary>The next message, whole; fails if the socket is closed instead.</summary>
    public static async Task<byte[]> HearAsync(this ClientWebSocket socket)
    {
        var buffer = new byte[64 << 10];
        using var whole = new MemoryStream();
        ValueWebSocketReceiveResult got;
        do
        {
            got = await socket.ReceiveAsync(buffer.AsMemory(), Cancel);
            got.MessageType.ShouldNotBe(WebSocketMessageType.Close, $"{socket.CloseStatus} {socket.CloseStatusDescription}");
            whole.Write(buffer, 0, got.Count);
        }
        while (!got.EndOfMessage);
        return whole.ToArray();
    }
}
