using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;
using NodeStatus = Portal.Core.Clouds.NodeStatus;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Nodes on the container engine of a server: everything goes over TLS, and the node is in the server's own network.</summary>
public sealed class ServerEngineTests : IAsyncLifetime
{
    private const int Uid = 300_077;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portal-test-keys");
    private readonly CloudLab _lab = CloudLab.Open();
    private ServerEngine? _server;
    private ContainerEngine? _engine;
    private string _image = "";

    private ServerEngine Server => _server ?? throw new InvalidOperationException("the server did not start");
    private ContainerEngine Engine => _engine ?? throw new InvalidOperationException("the server did not start");
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var keys = new EngineKeys(Path.Combine(_folder.FullName, "mine"), TimeProvider.System);
        _server = await ServerEngine.StartAsync(keys.Authority);
        _engine = new ContainerEngine(Server.For(keys.Client));
        _image = await _lab.BaseAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _engine?.Dispose();
        if (_server is not null) await _server.DisposeAsync();
        await _lab.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Node_OnAServer_IsMadeSeenFollowedMeasuredAndRemoved()
    {
        await ServerEngine.LoadAsync(_lab.ContainerEngine, _image, Engine, Cancel);
        var wanted = await WantedAsync("echo begun; while ! [ -e /tmp/end ]; do sleep 0.1; done; echo ended; exit 3");

        await EnsureAsync(wanted);
        await EnsureAsync(wanted); // nothing to do

        var there = (await ListAsync()).ShouldHaveSingleItem();
        NodeContainers.See(there, outOfMemory: false).ShouldBe(Status(NodeState.Running, exit: null));
        var lines = new List<string>();
        await foreach (var line in NodeLogs.ReadAsync(Engine, there.ID, tail: null, follow: true, Cancel))
        {
            lines.Add(line.Split(' ')[^1]);
            if (lines.Count > 1) continue;
            var sample = (await EngineSamples.ReadAsync(Engine, there, TimeProvider.System, Cancel)).ShouldNotBeNull();
            (sample.Node, sample.Net, sample.MemoryLimitBytes, sample.Vcpus).ShouldBe(("notebook", null, 64 << 20, 0.5));
            sample.Pids.ShouldBeGreaterThan(0);
            (await RunAsync(there.ID, "sh", "-c", "id -u; hostname; getent hosts worker0; getent hosts any")).ShouldBe(
                new(0, $"{Uid}\nnotebook\n10.9.8.7        worker0\n0.0.0.0         any"));
            (await RunAsync(there.ID, "touch", "/tmp/end")).ExitCode.ShouldBe(0);
        }

        lines.ShouldBe(["begun", "ended"]);
        var ended = await Eventually.SeesAsync(async () => (await ListAsync()).ShouldHaveSingleItem(), c => c.State is "exited", "it has ended");
        NodeContainers.See(ended, await NodeContainers.RanOutOfMemoryAsync(Engine, ended.ID, Cancel)).ShouldBe(Status(NodeState.Exited, exit: 3));
        (await NodeLogs.TailAsync(Engine, ended.ID, 1, TimeProvider.System, Cancel)).ShouldBe(["ended"]);
        await Engine.RemoveAsync(ended.ID, Cancel);
        (await ListAsync()).ShouldBeEmpty();

        NodeStatus Status(NodeState state, int? exit) => new("notebook", "notebook", 1, state, exit, OutOfMemory: false, Address: null,
            wanted.Labels[Owned.State]);
    }

    /// <summary>Go's TLS says so where the first answer would be.</summary>
    [Fact]
    public async Task Client_WithAnotherCertificate_IsDenied()
    {
        var others = new EngineKeys(Path.Combine(_folder.FullName, "others"), TimeProvider.System);
        using var engine = new ContainerEngine(Server.For(others.Client));

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel));

        (fault.Fault, fault.Message).ShouldBe((CloudFault.Denied, "Container engine: it does not accept the portal's certificate."));
        fault.WhatToDo.ShouldContain("start it again");
    }

    [Fact]
    public async Task Server_WithAnotherFingerprint_IsDenied()
    {
        using var engine = new ContainerEngine(((EngineAddress.Tls)Engine.Address) with { Fingerprint = new string('0', 64) });

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel));

        (fault.Fault, fault.Message)
            .ShouldBe((CloudFault.Denied, $"Container engine: the server at {Server.At} is not the one that the portal started."));
        fault.WhatToDo.ShouldContain("makes a new server");
    }

    [Fact]
    public async Task Server_AskedWithoutTls_DoesNotAnswer()
    {
        using var http = new HttpClient();

        using var answer = await http.GetAsync($"http://{Server.At}/version", Cancel);

        answer.StatusCode.ShouldBe(System.Net.HttpStatusCode.BadRequest);
    }

    private async Task<CreateContainerParameters> WantedAsync(string script)
    {
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        var node = new NodePlan("notebook", "notebook", _image, Uid, ["sh", "-c", script], none, none, [], 64, 0.5);
        var plan = new ClusterPlan(CloudLab.New(), 1, "10.9.8.0/27", [node]);
        ContainerRecipe.Check(plan);
        var profile = await SeccompProfile.LoadAsync(CloudLab.Variable("PORTAL_TEST_SECCOMP"), "PORTAL_TEST_SECCOMP", Cancel);
        var (passwd, group) = new Identities(Path.Combine(_folder.FullName, "identities")).Ensure(Uid);
        return ContainerRecipe.Describe(new(_lab.Owned.Container(plan.Workspace, 1, "notebook"), new NodeNetwork.Host(), node,
            _lab.Owned.Labels(plan, node, ContainerRecipe.StateHash(plan, node, profile, [])), passwd, group, [], profile)
        {
            TmpPercent = 50,
            HomeMib = 8,
            Hosts = ["notebook:10.9.8.6", "worker0:10.9.8.7"],
        });
    }

    private async Task EnsureAsync(CreateContainerParameters wanted) =>
        await NodeContainers.EnsureAsync(Engine, wanted, (await ListAsync()).SingleOrDefault(), keep: false, Cancel);

    private Task<IList<ContainerListResponse>> ListAsync() => Engine.ListAsync(_lab.Owned.Mine(workspace: null), Cancel);

    private Task<CommandResult> RunAsync(string container, params string[] command) =>
        NodeCommand.RunAsync(Engine, container, "notebook", command, TimeProvider.System, Cancel);
}
