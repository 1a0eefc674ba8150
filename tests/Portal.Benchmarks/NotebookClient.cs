using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace Portal.Benchmarks;

/// <summary>A notebook at its container's own address, bypassing the portal.</summary>
internal sealed class NotebookClient : IDisposable
{
    public const int Port = 8888;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10), Patience = TimeSpan.FromMinutes(4);
    private readonly HttpClient _http;
    private readonly string _token;

    /// <param name="connectWithin">How long a port that does not answer is waited for; null for a second.</param>
    public NotebookClient(string token, TimeSpan? connectWithin = null)
    {
        _token = token;
        _http = new(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = connectWithin ?? TimeSpan.FromSeconds(1) });
        _http.DefaultRequestHeaders.Add("Authorization", $"token {token}");
    }

    /// <summary>Until it gives its first HTTP 200.</summary>
    public async Task AnswersAsync(string address, CancellationToken cancel)
    {
        for (var start = TimeProvider.System.GetTimestamp(); ; await Task.Delay(Look, TimeProvider.System, cancel))
        {
            try
            {
                using var answer = await _http.GetAsync(new Uri($"http://{address}:{Port}/api"), cancel);
                if (answer.StatusCode == HttpStatusCode.OK) return;
            }
            catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
            {
                // nothing is listening yet, or its firewall answers nobody yet
            }
            if (TimeProvider.System.GetElapsedTime(start) > Patience) throw new TimeoutException("The bare notebook does not respond.");
        }
    }

    /// <summary>A new kernel computes this, and ends. Throws unless its last value is the expected one.</summary>
    public async Task ComputesAsync(string address, string code, string value, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(Patience, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        using var made = await _http.PostAsJsonAsync(new Uri($"http://{address}:{Port}/api/kernels"), new { }, either.Token);
        var id = (await made.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(either.Token)).GetProperty("id").GetString();
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", $"token {_token}");
        await socket.ConnectAsync(new Uri($"ws://{address}:{Port}/api/kernels/{id}/channels"), either.Token);
        await socket.SendAsync(Question(code), WebSocketMessageType.Text, endOfMessage: true, either.Token);
        while (true)
        {
            var heard = await HearAsync(socket, either.Token);
            var (kind, content) = (heard.GetProperty("msg_type").GetString(), heard.GetProperty("content"));
            if (kind == "error")
                throw new InvalidOperationException($"The baseline kernel failed: {content.GetProperty("ename")}: {content.GetProperty("evalue")}");
            if (kind != "execute_result") continue;
            var output = content.GetProperty("data").GetProperty("text/plain").GetString();
            if (output != value) throw new InvalidOperationException($"The baseline kernel returned {output} instead of {value}.");
            using var ended = await _http.DeleteAsync(new Uri($"http://{address}:{Port}/api/kernels/{id}"), either.Token); // as the product's proof does
            return;
        }
    }

    public void Dispose() => _http.Dispose();

    private static byte[] Question(string code) => JsonSerializer.SerializeToUtf8Bytes(new
    {
        header = new { msg_id = "q", username = "bench", session = "bench", msg_type = "execute_request", version = "5.3", date = Bench.Now },
        parent_header = new { },
        metadata = new { },
        content = new { code, silent = false, store_history = false, user_expressions = new { }, allow_stdin = false, stop_on_error = true },
        buffers = Array.Empty<object>(),
        channel = "shell",
    });

    private static async Task<JsonElement> HearAsync(ClientWebSocket socket, CancellationToken cancel)
    {
        var (text, buffer) = (new MemoryStream(), new byte[16 << 10]);
        while (true)
        {
            var got = await socket.ReceiveAsync(buffer.AsMemory(), cancel);
            if (got.MessageType == WebSocketMessageType.Close) throw new WebSocketException(WebSocketError.ConnectionClosedPrematurely);
            text.Write(buffer, 0, got.Count);
            if (got.EndOfMessage) return JsonSerializer.Deserialize<JsonElement>(Encoding.UTF8.GetString(text.ToArray()));
        }
    }
}
