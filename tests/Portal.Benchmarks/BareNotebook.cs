using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.Benchmarks;

/// <summary>The container that a student's notebook is, made by nothing but the engine's calls: network, container, start. Its work folder is mounted before.</summary>
internal sealed class BareNotebook : IDisposable
{
    private const int Uid = 300_777, Port = 8888;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10), Patience = TimeSpan.FromMinutes(2);
    private readonly CloudLab _lab;
    private readonly NodePlan _node;
    private readonly SeccompProfile _profile;
    private readonly HttpClient _http;
    private readonly string _token;

    private BareNotebook(CloudLab lab, NodePlan node, SeccompProfile profile, string token)
    {
        (_lab, _node, _profile, _token) = (lab, node, profile, token);
        _http = new(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(1) });
        _http.DefaultRequestHeaders.Add("Authorization", $"token {token}");
    }

    public static async Task<BareNotebook> PrepareAsync(CloudLab lab, Bench bench, CancellationToken cancel)
    {
        var (spec, image) = await bench.NotebookAsync(cancel);
        var (role, size, token) = (spec.Roles[0], spec.Size("s")!, Guid.CreateVersion7(Bench.Now).ToString("n"));
        var (mount, _, _) = await lab.WorkAsync(Guid.CreateVersion7(Bench.Now), Uid);
        var node = new NodePlan(role.Name, role.Name, image, Uid, role.Command, role.Environment, new Dictionary<string, string>(StringComparer.Ordinal) { [role.Token!] = token },
            [new(mount, Portal.Jobs.Steps.ClusterPlans.WorkFolder, ReadOnly: false)], size.MemoryMib, size.Vcpu);
        return new(lab, node, await lab.Get<EngineProbe>().ProveAsync(image, cancel), token);
    }

    /// <summary>Time to the first HTTP 200, and from there to the answer of a first kernel. Removed when this returns.</summary>
    public async Task<(TimeSpan Answer, TimeSpan Kernel)> RunAsync(CancellationToken cancel)
    {
        var plan = new ClusterPlan(CloudLab.New(), 1, await _lab.SubnetAsync(), [_node]);
        var wanted = _lab.Get<NodeRecipe>().Describe(plan, _node, _profile);
        var network = _lab.Owned.Network(plan.Workspace, 1);
        var start = TimeProvider.System.GetTimestamp();
        await _lab.Get<Networks>().CreateAsync(network, _lab.Owned.Bridge(network), plan.Subnet, wayOut: false, _lab.Owned.Labels(plan.Workspace, 1), cancel);
        var container = await _lab.Engine.CreateAsync(wanted, cancel);
        await _lab.Engine.AskAsync(e => e.Containers.StartContainerAsync(container, new ContainerStartParameters(), cancel), cancel);
        var now = await _lab.Engine.AskAsync(e => e.Containers.InspectContainerAsync(container, cancel), cancel);
        var address = $"{now.NetworkSettings!.Networks!.Values.Single().IPAddress}:{Port}";
        await AnswersAsync(address, cancel);
        var answer = TimeProvider.System.GetElapsedTime(start);
        await ComputesAsync(address, cancel);
        var kernel = TimeProvider.System.GetElapsedTime(start) - answer;
        await _lab.Engine.RemoveAsync(container, cancel);
        await _lab.Get<Networks>().RemoveAsync(network, cancel);
        return (answer, kernel);
    }

    public void Dispose() => _http.Dispose();

    private async Task AnswersAsync(string address, CancellationToken cancel)
    {
        for (var start = TimeProvider.System.GetTimestamp(); ; await Task.Delay(Look, TimeProvider.System, cancel))
        {
            try
            {
                using var answer = await _http.GetAsync(new Uri($"http://{address}/api"), cancel);
                if (answer.StatusCode == HttpStatusCode.OK) return;
            }
            catch (HttpRequestException)
            {
                // nothing listens yet
            }
            if (TimeProvider.System.GetElapsedTime(start) > Patience) throw new TimeoutException("The bare notebook does not answer.");
        }
    }

    private async Task ComputesAsync(string address, CancellationToken cancel)
    {
        using var made = await _http.PostAsJsonAsync(new Uri($"http://{address}/api/kernels"), new { }, cancel);
        var id = (await made.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(cancel)).GetProperty("id").GetString();
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", $"token {_token}");
        await socket.ConnectAsync(new Uri($"ws://{address}/api/kernels/{id}/channels"), cancel);
        await socket.SendAsync(Question(), WebSocketMessageType.Text, endOfMessage: true, cancel);
        while (await HearAsync(socket, cancel) is { } heard)
        {
            if (heard.GetProperty("msg_type").GetString() != "execute_result") continue;
            var said = heard.GetProperty("content").GetProperty("data").GetProperty("text/plain").GetString();
            if (said != "42") throw new InvalidOperationException($"The bare kernel says that six times seven is {said}.");
            using var ended = await _http.DeleteAsync(new Uri($"http://{address}/api/kernels/{id}"), cancel); // as the product's proof does
            return;
        }
    }

    private static byte[] Question() => JsonSerializer.SerializeToUtf8Bytes(new
    {
        header = new { msg_id = "q", username = "bench", session = "bench", msg_type = "execute_request", version = "5.3", date = Bench.Now },
        parent_header = new { },
        metadata = new { },
        content = new { code = "6*7", silent = false, store_history = false, user_expressions = new { }, allow_stdin = false, stop_on_error = true },
        buffers = Array.Empty<object>(),
        channel = "shell",
    });

    private static async Task<JsonElement?> HearAsync(ClientWebSocket socket, CancellationToken cancel)
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
