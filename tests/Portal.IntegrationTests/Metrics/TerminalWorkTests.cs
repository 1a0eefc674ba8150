using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Metrics;

/// <summary>What a real JupyterLab in a real container reports about its terminals: a silently computing program is activity, a waiting one is not.</summary>
public sealed class TerminalWorkTests : IAsyncLifetime
{
    private const string Token = "a-token";

    // A program waiting for a key, whose name is not valid text; a silent training job, and one in the background whose steps are each too short to be sampled.
    private const string Waits = """python3 -c "open('/proc/self/comm', 'wb').write(b'\xff'); input()" """, Trains = "python3 -c 'while True: pass'",
        TrainsBehind = "while :; do gzip -c /bin/bash > /dev/null; done &";

    private readonly CloudLab _lab = CloudLab.Open();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30), DefaultRequestHeaders = { Authorization = new("token", Token) } };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var work = await _lab.WorkAsync(CloudLab.New(), 300_001);
        var node = await _lab.NodeAsync(work: work.Mount, memoryMib: 512, command: ["start-notebook"]);
        var plan = await _lab.PlanAsync(nodes: node with { Secrets = new Dictionary<string, string>(StringComparer.Ordinal) { ["TOKEN"] = Token } });
        await _lab.Clusters.EnsureAsync(plan, Cancel);
        _http.BaseAddress = new($"http://{await _lab.AddressAsync(plan, "notebook")}:8888/");
        await Eventually.HoldsAsync(async () =>
        {
            try { return (await _http.GetAsync("api/status", Cancel)).IsSuccessStatusCode; }
            catch (HttpRequestException) { return false; }
        }, "the notebook answers");
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _lab.DisposeAsync();
    }

    [Fact]
    public async Task ProgramsThatWriteNothing_AreActivityWhileTheyCompute_AndOnlyThen()
    {
        var (waiting, training, behind) = (await TypeAsync(Waits), await TypeAsync(Trains), await TypeAsync(TrainsBehind));
        var began = await ActivityAsync();

        // Twice, some seconds apart, so that the shells' own startup output is over.
        await WorkedAsync(began);
        var settled = await ActivityAsync();
        await WorkedAsync(settled);

        (await ActivityAsync())[waiting].ShouldBe(settled[waiting]);

        Task WorkedAsync(IReadOnlyDictionary<string, DateTimeOffset> since) => Eventually.HoldsAsync(async () =>
            await ActivityAsync() is var now && now[training] > since[training].AddSeconds(5) && now[behind] > since[behind].AddSeconds(5),
            "the silent programs count as work");
    }

    private async Task<IReadOnlyDictionary<string, DateTimeOffset>> ActivityAsync() =>
        JsonNode.Parse(await _http.GetStringAsync("api/terminals?no_track_activity=1", Cancel))!.AsArray()
        .ToDictionary(t => (string)t!["name"]!, t => (DateTimeOffset)t!["last_activity"]!, StringComparer.Ordinal);

    /// <summary>In a new terminal, whose name is returned once the shell has read the line; no client watches it after that.</summary>
    private async Task<string> TypeAsync(string line)
    {
        using var made = await _http.PostAsync("api/terminals", content: null, Cancel);
        var name = (string)JsonNode.Parse(await made.Content.ReadAsStringAsync(Cancel))!["name"]!;
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", $"token {Token}");
        await socket.ConnectAsync(new UriBuilder(_http.BaseAddress!) { Scheme = "ws", Path = $"terminals/websocket/{name}" }.Uri, Cancel);
        await socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes((string[])["stdin", $"{line}\r"]), WebSocketMessageType.Text, endOfMessage: true, Cancel);
        var (output, buffer) = ("", new byte[64 << 10]);
        while (!output.Contains(line[..6], StringComparison.Ordinal))
        {
            var part = await socket.ReceiveAsync(buffer, Cancel);
            output += System.Text.Encoding.UTF8.GetString(buffer, 0, part.Count);
        }
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, statusDescription: null, Cancel);
        return name;
    }
}
