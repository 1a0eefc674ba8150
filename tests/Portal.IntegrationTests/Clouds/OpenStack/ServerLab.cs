using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>
/// A workspace of two servers that run <c>portal-server</c>, the first with a work folder; on each of them is a node: a container as the portal makes
/// it, which answers on a port with TCP and UDP. Beside them stands what nodes may not reach.
/// </summary>
public sealed class ServerLab : IAsyncLifetime
{
    public const int Uid = 70_124, AppPort = 8888, EnginePort = 2376;

    /// <summary>Where the first node has the export of its work folder: without its mount, that would be an empty folder.</summary>
    public const string Export = "/data/share";

    /// <summary>What a node runs: it answers on <see cref="AppPort"/>.</summary>
    private const string Node = """
        import socket, threading
        def echo():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
                door.bind(("", 8888))
                while True:
                    data, sender = door.recvfrom(64)
                    door.sendto(data, sender)
        threading.Thread(target=echo, daemon=True).start()
        with socket.create_server(("", 8888), family=socket.AF_INET6, dualstack_ipv6=True) as door:
            while True:
                door.accept()[0].close()
        """;

    private readonly StackLab _stacks = new();
    private readonly string _files = Directory.CreateTempSubdirectory("portal-").FullName;
    private ServiceProvider? _services;

    internal StackLab Stacks => _stacks;

    internal ClusterPlan Plan { get; private set; } = null!;

    /// <summary>Why the first server may mount its folder.</summary>
    internal ShareAccess Access { get; private set; } = null!;

    /// <summary>The authority that servers were told, with its key.</summary>
    public X509Certificate2 Authority => _services!.GetRequiredService<EngineKeys>().Client;

    /// <summary>What each server signalled, in the order of the plan.</summary>
    internal IReadOnlyList<ServerSignal> Signals { get; private set; } = [];

    /// <summary>Ids of the servers, in the order of the plan.</summary>
    public IReadOnlyList<string> Servers { get; private set; } = [];

    /// <summary>Where the work folder is on the first server.</summary>
    public string Folder { get; private set; } = "";

    /// <summary>Where the first node sees it.</summary>
    public string Work => $"{Export}/{Path.GetFileName(Folder)}";

    public async ValueTask InitializeAsync()
    {
        await _stacks.InitializeAsync();
        _services = _stacks.Open(("Clouds:OpenStack:Servers:Keys", _files));
        var project = _services.GetRequiredService<ProjectStacksByKey>().Of(OpenStackLab.Projects[0]);
        Access = await _stacks.FolderAsync(Uid);
        var subnet = StackLab.NewSubnet();
        var work = new FolderPlan(await _stacks.AllowAsync(Access, subnet), "/home/student/work", false);
        Plan = new(Access.Workspace, 1, subnet, [NodePlan("notebook", work), NodePlan("worker0")]);
        await Eventually.SeesAsync(async () => await project.Stacks.EnsureAsync(Plan, CancellationToken.None) switch
        {
            EnsureAnswer.Broken broken => throw new InvalidOperationException($"{broken.Cause} {broken.Remedy}"),
            var answer => answer,
        }, a => a is EnsureAnswer.Done, "both servers are ready", 180);
        var key = new StackKey(Plan.Workspace, 1);
        var signals = await project.Stacks.SignalsAsync(key, CancellationToken.None);
        var servers = await project.Nova.ServersAsync(project.Names, key, CancellationToken.None);
        Signals = [.. Plan.Nodes.Select(n => signals.Single(s => s.Node == n.Name))];
        Servers = [.. Plan.Nodes.Select(n => servers.Single(s => s.Metadata[HeatNames.Node] == n.Name).Id)];
        Folder = await Rig.OnServerAsync(Servers[0], "jq", "-r", ".folders[0].path", "/etc/portal/server.json");
        await StartNodeAsync(Servers[0], "--mount", $"type=bind,source={Path.GetDirectoryName(Folder)},target={Export}");
        await StartNodeAsync(Servers[1]);
    }

    /// <summary>What a program of the first node says.</summary>
    public Task<string> InNodeAsync(params string[] command) => Rig.OnServerAsync(Servers[0], ["docker", "exec", "node", .. command]);

    /// <summary>An authority of its own making, that is also its only client.</summary>
    public static X509Certificate2 NewAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=portal", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.2")], false)); // client authentication
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddHours(-1), now.AddDays(1));
    }

    public async ValueTask DisposeAsync()
    {
        await _stacks.DisposeAsync();
        if (_services is { } services) await services.DisposeAsync();
        Directory.Delete(_files, recursive: true);
    }

    private static async Task StartNodeAsync(string server, params string[] folders)
    {
        var image = File.ReadLines($"{Rig.State}/images").Single(l => l.StartsWith("python=", StringComparison.Ordinal)).Split('=', 2)[1];
        // As on machines of most clouds, although this network has IPv4 only.
        await Rig.OnServerAsync(server, "sh", "-c", "for name in all default lo eth0; do echo 0 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done");
        await Rig.OnServerAsync(server, ["docker", "run", "-d", "--name", "node", "--label", "portal.workspace=any", "--network", "host",
            "--user", $"{Uid}:{Uid}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", .. folders, image, "python3", "-c", Node]);
    }

    private static NodePlan NodePlan(string name, params FolderPlan[] folders) => new(name, name.TrimEnd('0'), "sha256:" + new string('a', 64), Uid, [],
        new Dictionary<string, string>(), new Dictionary<string, string>(), folders, 512, 0.5);
}
