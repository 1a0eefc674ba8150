using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Notebooks;

/// <summary>A real JupyterLab in a real container, made and sized as the product does, on a work folder with a limit.</summary>
public sealed class RealNotebook : IAsyncDisposable
{
    private const int Uid = 300_401;
    private readonly CloudLab _lab;
    private readonly ShareAccess _access;
    private readonly NodePlan _node;
    private readonly string _token;
    private ClusterPlan _plan;
    private HttpClient _http = new();

    private RealNotebook(CloudLab lab, ShareAccess access, NodePlan node, string folder, string token)
    {
        (_lab, _access, _node, Folder, _token) = (lab, access, node, folder, token);
        _plan = new(access.Workspace, 0, "", []);
    }

    /// <summary>The work folder as the host sees it.</summary>
    public string Folder { get; }

    /// <summary>Of its node.</summary>
    public string Address => _http.BaseAddress!.Host;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="limit">Of the work folder, bytes; the scratch folder has 1 GiB.</param>
    public static async Task<RealNotebook> StartAsync(CloudLab lab, long limit = 64 << 20, int vcpus = 1, int memoryMib = 1024, string token = "a-token")
    {
        var (mount, folder, access) = await lab.WorkAsync(CloudLab.New(), Uid, limit, classLimit: 4L << 30);
        var scratch = access with { Folder = new FolderRef.Scratch(((FolderRef.Work)access.Folder).Class, access.Workspace, "notebook") };
        await lab.Filesets.EnsureAsync(scratch.Folder, Uid, 1L << 30, Cancel);
        var node = await lab.NodeAsync(uid: Uid, work: mount, memoryMib: memoryMib, vcpus: vcpus, command: ["start-notebook"]);
        var it = new RealNotebook(lab, access, node with
        {
            Environment = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["NOTEBOOK_DIR"] = "/home/student/work",
                ["PORTAL_NODE"] = "notebook",
                ["PORTAL_TEMPLATE"] = "notebook",
                ["PORTAL_VCPUS"] = $"{vcpus}",
                ["PORTAL_MEMORY_MIB"] = $"{memoryMib}",
                ["SCRATCH"] = "/scratch",
            },
            Secrets = new Dictionary<string, string>(StringComparer.Ordinal) { ["TOKEN"] = token },
            Folders = [.. node.Folders, new(new MountSource.HostPath(await lab.AllowAsync(scratch, Cancel)), "/scratch", ReadOnly: false)],
        }, folder, token);
        await it.StartAgainAsync();
        return it;
    }

    /// <summary>Stops it as the product does, if it is running, and starts the next generation on the same folders.</summary>
    public async Task StartAgainAsync()
    {
        await _lab.Clusters.RemoveNodesAsync(_access.Workspace, CloudLab.Every, Cancel);
        await _lab.Clusters.RemoveNetworkAsync(_access.Workspace, CloudLab.Every, Cancel);
        _plan = await _lab.PlanAsync(_access.Workspace, _plan.Generation + 1, nodes: _node);
        await _lab.Clusters.EnsureAsync(_plan, Cancel);
        _http.Dispose();
        _http = new() { Timeout = TimeSpan.FromSeconds(120), DefaultRequestHeaders = { Authorization = new("token", _token) } };
        _http.BaseAddress = new($"http://{await _lab.AddressAsync(_plan, "notebook")}:8888/");
        await Eventually.HoldsAsync(async () =>
        {
            try { return (await _http.GetAsync("api/status", Cancel)).IsSuccessStatusCode; }
            catch (HttpRequestException) { return false; }
        }, "the notebook answers", 240);
    }

    /// <summary>A WebSocket of the server, without a proxy in between.</summary>
    public async Task<ClientWebSocket> SocketAsync(string path)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", $"token {_token}");
        await socket.ConnectAsync(new UriBuilder(_http.BaseAddress!) { Scheme = "ws", Path = path }.Uri, Cancel);
        return socket;
    }

    /// <summary>Sends a request to the server; returns the status and the response, null for none.</summary>
    public async Task<(int Status, JsonNode? Body)> RequestAsync(HttpMethod method, string path, JsonNode? body = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var answer = await _http.SendAsync(request, Cancel);
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        return ((int)answer.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text));
    }

    /// <summary>Output of a command as in a terminal of the notebook, both streams; fails if the command does.</summary>
    public async Task<string> TypeAsync(string line)
    {
        var (output, code) = await TryAsync(line);
        code.ShouldBe(0, output);
        return output;
    }

    public Task<(string Output, long Code)> TryAsync(string line) =>
        _lab.InsideAsync(_plan, "notebook", "bash", "-c", $". /usr/local/lib/portal/node && cd \"$NOTEBOOK_DIR\" && {line}");

    public async Task<string> PythonAsync(string program)
    {
        const string Line = ". /usr/local/lib/portal/node && cd \"$NOTEBOOK_DIR\" && exec python3 -c \"$0\"";
        var (output, code) = await _lab.InsideAsync(_plan, "notebook", "bash", "-c", Line, program);
        code.ShouldBe(0, output);
        return output;
    }

    /// <summary>Starts a kernel over the server, runs code in it and shuts it down; what the code printed.</summary>
    public async Task<string> ComputeAsync(string code)
    {
        var (status, kernel) = await RequestAsync(HttpMethod.Post, "api/kernels");
        status.ShouldBe(201, kernel?.ToJsonString());
        var output = await PythonAsync($$"""
            from jupyter_client import BlockingKernelClient
            client = BlockingKernelClient(connection_file="/tmp/jupyter-runtime/kernel-{{kernel!["id"]}}.json")
            client.load_connection_file(); client.start_channels(hb=False); client.wait_for_ready(timeout=120)
            client.execute_interactive({{System.Text.Json.JsonSerializer.Serialize(code)}}, store_history=True, timeout=120)
            """);
        (await RequestAsync(HttpMethod.Delete, $"api/kernels/{kernel["id"]}")).Status.ShouldBe(204);
        return output;
    }

    /// <summary>Writes to the work folder until the kernel accepts not one more byte.</summary>
    public Task<string> FillAsync() => PythonAsync("""
        import os
        for name, bite in (("big", 1 << 20), ("mid", 64 << 10), ("small", 4 << 10), ("last", 1)):
            try:
                with open(name, "wb", buffering=0) as f:
                    while True: f.write(b"x" * bite); os.fsync(f.fileno())
            except OSError as e: print(name, e.errno)
        """);

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _lab.Clusters.RemoveNodesAsync(_access.Workspace, CloudLab.Every, CancellationToken.None);
    }
}
