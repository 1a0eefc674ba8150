using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.Core.Catalog;
using Portal.IntegrationTests.Access;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Proxy;

/// <summary>Large messages between a browser and a kernel, through the real proxy to a real JupyterLab in a real container.</summary>
public sealed class KernelMessageTests(WebFixture web) : IClassFixture<WebFixture>, IAsyncLifetime
{
    private const int Size = 40 << 20, NodeMib = 1024;

    private readonly CloudLab _lab = CloudLab.Open();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _lab.DisposeAsync();

    [Fact, Trait("Lane", "long")]
    public async Task Message_Of40MiB_ReachesTheKernelAndTheSocketStaysOpen()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var url = await LabAsync(visitor);
        using var made = await visitor.SendAsync(HttpMethod.Post, url + "/api/kernels", JsonContent.Create(new { name = "python3" }), url);
        var kernel = (string)JsonNode.Parse(await made.Content.ReadAsStringAsync(Cancel))!["id"]!;
        using var socket = await visitor.SocketAsync($"{url}/api/kernels/{kernel}/channels", url);
        const string listen = """
            import builtins
            get_ipython().kernel.comm_manager.register_target('t', lambda comm, m: setattr(builtins, 'got', len(m['content']['data']['x'])))
            """;
        await SayAsync(socket, "execute_request", Cell(listen));
        await SayAsync(socket, "comm_open", new() { ["comm_id"] = "c", ["target_name"] = "t", ["data"] = new JsonObject { ["x"] = new string('a', Size) } });
        (await SayAsync(socket, "execute_request", Cell("got"))).ShouldBe($"{Size}");
    }

    /// <summary>A workspace whose node is a container of the notebook image; returns the address of its JupyterLab, open in this browser.</summary>
    private async Task<string> LabAsync(Visitor visitor)
    {
        var w = await web.WorkspaceAsync("Ada");
        await using (var db = web.Database.Open())
        {
            var spec = db.TemplateVersions.Single(t => t.Id == w.TemplateVersionId).Spec;
            var version = Guid.CreateVersion7();
            spec = spec with { Apps = [new AppSpec("lab", "JupyterLab", "", "notebook", 8888, "/lab", true)] };
            db.TemplateVersions.Add(new() { Id = version, TemplateId = "kernels", Hash = new('f', 64), Spec = spec });
            await db.SaveChangesAsync(Cancel);
            await web.Database.ExecuteAsync($"update portal.workspaces set template_version_id = {version} where id = {w.Id}", Cancel);
        }
        var work = await _lab.WorkAsync(CloudLab.New(), 300_001);
        var node = await _lab.NodeAsync(work: work.Mount, memoryMib: NodeMib, command: ["start-notebook"]);
        var secrets = new Dictionary<string, string>(StringComparer.Ordinal) { ["TOKEN"] = web.Tokens.Of(w.Id, 1, "lab") };
        var plan = await _lab.PlanAsync(nodes: node with { Secrets = secrets });
        await _lab.Clusters.EnsureAsync(plan, Cancel);
        var address = await _lab.AddressAsync(plan, "notebook");
        await web.Database.ExecuteAsync($"update portal.nodes set address = {address} where workspace_id = {w.Id}", Cancel);
        await visitor.OpenAsync(w.Id, "lab");
        var url = web.AppUrl(w.Slug, "lab");
        await Eventually.HoldsAsync(async () => (await visitor.GetAsync(url + "/api/status")).IsSuccessStatusCode, "the notebook answers");
        return url;
    }

    private static JsonObject Cell(string code) => new() { ["code"] = code, ["silent"] = false, ["store_history"] = false, ["allow_stdin"] = false };

    /// <summary>Sends one message and returns what the kernel evaluated by the time it was idle again.</summary>
    private static async Task<string> SayAsync(ClientWebSocket socket, string type, JsonObject content)
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
        var (output, buffer) = ("", new byte[64 << 10]);
        while (true)
        {
            using var whole = new MemoryStream();
            ValueWebSocketReceiveResult got;
            do
            {
                got = await socket.ReceiveAsync(buffer.AsMemory(), Cancel);
                got.MessageType.ShouldNotBe(WebSocketMessageType.Close, $"{socket.CloseStatus} {socket.CloseStatusDescription}");
                whole.Write(buffer, 0, got.Count);
            }
            while (!got.EndOfMessage);
            var heard = JsonNode.Parse(whole.ToArray())!;
            if ((string?)heard["parent_header"]?["msg_id"] != id) continue;
            if ((string?)heard["content"]?["data"]?["text/plain"] is { } value) output = value;
            ((string?)heard["msg_type"]).ShouldNotBe("error", heard["content"]?.ToJsonString());
            if ((string?)heard["content"]?["execution_state"] == "idle") return output;
        }
    }
}
