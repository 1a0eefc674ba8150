using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>What <c>portal-server</c> of the server image promises, on real servers and from inside real containers on them.</summary>
[Trait("Lane", "openstack")]
public sealed class ServerTests(ServerLab lab) : IClassFixture<ServerLab>
{
    private const string Open = "open", Refused = "refused", Silent = "no answer";
    private const int Spare = 18_999;

    /// <summary>Tries connections (<c>tcp host port</c>) and echoes (<c>udp host port</c>) all at once, and says how each ended.</summary>
    private const string Try = """
        import socket, sys
        from concurrent.futures import ThreadPoolExecutor
        def ask(target):
            kind, host, port = target.split()
            try:
                if kind == "tcp":
                    socket.create_connection((host, int(port)), 2).close()
                else:
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
                        door.settimeout(2)
                        door.connect((host, int(port)))
                        door.send(b"x")
                        door.recv(8)
                return "open"
            except TimeoutError:
                return "no answer"
            except OSError:
                return "refused"
        with ThreadPoolExecutor(32) as pool:
            print("\n".join(pool.map(ask, sys.argv[1:])))
        """;

    /// <summary>Answers datagrams at some addresses.</summary>
    private const string Echo = """
        import select, socket, sys
        doors = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in sys.argv[1:]]
        for door, address in zip(doors, sys.argv[1:]):
            door.bind((address, 18999))
        print("listens", flush=True)
        while True:
            for door in select.select(doors, [], [])[0]:
                data, sender = door.recvfrom(64)
                door.sendto(data, sender)
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static ITestOutputHelper Output => TestContext.Current.TestOutputHelper!;

    private string Own => lab.Signals[0].Address;
    private string? Fingerprint => JsonDocument.Parse(lab.Signals[0].Data).RootElement.GetProperty("fingerprint").GetString();
    private string Peer => lab.Signals[1].Address;

    [Fact]
    public async Task Node_BeyondItsWorkspace_IsRefusedAtOnce_AndGetsThereOnlyWithoutTheFirewall()
    {
        using var host = new TcpListener(IPAddress.Parse(Rig.Host), 0);
        host.Start();
        string[] routers = [Rig.Api, "169.254.169.254", FirstOf(lab.Plan.Subnet)];
        using var echo = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", Rig.Namespace, "/usr/bin/python3", "-c", Echo, .. routers])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        try
        {
            (await echo.StandardOutput.ReadLineAsync(Cancel)).ShouldBe("listens");
            foreach (var (server, number) in lab.Servers.Select((s, i) => (s, i)))
                await Rig.OnServerAsync(server, "ip", "-6", "addr", "replace", $"fd00::{number + 1}/64", "dev", "eth0", "nodad");
            // Other services of root: one where the container engine would be if it listened there too, one below the node's ports.
            foreach (var port in (int[])[ServerLab.EnginePort, 631])
                await Rig.OnServerAsync(lab.Servers[0], "sh", "-c", $"setsid python3 -m http.server --bind 127.0.0.1 {port} > /dev/null 2>&1 < /dev/null & "
                    + $"until ss -tln | grep -q 127.0.0.1:{port}; do sleep 0.05; done");
            string[] targets =
            [
                $"tcp {Rig.Api} 2049", // file server
                "tcp 169.254.169.254 80", // metadata
                $"tcp {Own} {ServerLab.EnginePort}", $"tcp 127.0.0.1 {ServerLab.EnginePort}", $"tcp {Peer} {ServerLab.EnginePort}", // container engines
                "tcp 127.0.0.1 631", // what root has for itself
                $"tcp {Rig.Api} 5000", $"tcp {Rig.Api} 8000", $"tcp {Rig.Api} 8774", $"tcp {Rig.Api} 8786", // the cloud
                .. routers.Select(r => $"udp {r} {Spare}"),
                $"tcp fd00::2 {ServerLab.AppPort}", // IPv6
            ];
            var portal = $"tcp {Rig.Host} {((IPEndPoint)host.LocalEndpoint).Port}";
            await AllAsync([.. targets, portal], Refused);

            foreach (var server in lab.Servers) await Rig.OnServerAsync(server, "sh", "-c",
                "for tool in iptables ip6tables; do for chain in INPUT FORWARD OUTPUT NODE; do $tool -F PORTAL-$chain; done; done");
            await AllAsync(targets, Open);
            await AllAsync([portal], Silent); // the rig's own firewall drops it

            foreach (var (server, signal) in lab.Servers.Zip(lab.Signals))
                (await Rig.OnServerAsync(server, "portal-server")).ShouldBe(signal.Data, "asked again, it is the same");
            await AllAsync([.. targets, portal], Refused);
            // Root is not limited, but the other server's container engine is open to the portal alone.
            (await AskAsync([$"tcp {Own} {ServerLab.AppPort}", $"tcp {Own} {ServerLab.EnginePort}"], ["python3"], lab.Servers[1]))
                .ShouldBe([Open, Silent]);
        }
        finally
        {
            echo.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task Node_InsideItsWorkspace_ReachesEverythingThatNodesListenOn()
    {
        string[] hosts = ["127.0.0.1", Own, Peer];

        await AllAsync([.. hosts.Select(h => $"tcp {h} {ServerLab.AppPort}"), .. hosts.Select(h => $"udp {h} {ServerLab.AppPort}"),
            $"tcp ::1 {ServerLab.AppPort}"], Open);

        using var app = new TcpClient();
        await app.ConnectAsync(Own, ServerLab.AppPort, Cancel); // from the portal
        (await lab.InNodeAsync("python3", "-c", "import socket\ntry: socket.create_server(('', 80))\nexcept PermissionError: print('denied')"))
            .ShouldBe("denied", "ports of the system are not the node's");
    }

    [Fact]
    public async Task Engine_ClientWithAnotherCertificateOrNone_IsRefused()
    {
        (await PingAsync(lab.Authority, Fingerprint)).ShouldStartWith("HTTP/1.1 200");
        using var other = ServerLab.NewAuthority();
        await Should.ThrowAsync<Exception>(() => PingAsync(other, Fingerprint));
        await Should.ThrowAsync<Exception>(() => PingAsync(null, Fingerprint));
        using var plain = new TcpClient();
        await plain.ConnectAsync(Own, ServerLab.EnginePort, Cancel);
        await plain.GetStream().WriteAsync("GET /_ping HTTP/1.0\r\n\r\n"u8.ToArray(), Cancel);
        using var reader = new StreamReader(plain.GetStream());
        (await reader.ReadToEndAsync(Cancel)).ShouldNotContain("200 OK");
    }

    [Fact]
    public async Task Setup_ServerWithADisk_MakesWhatTheNodeNeeds()
    {
        await Rig.OnServerAsync(lab.Servers[1], "sh", "-c",
            "jq '.disks = [\"scratch-0\"]' /etc/portal/server.json > /tmp/new && cp /tmp/new /etc/portal/server.json && portal-server");

        var uid = ServerLab.Uid;
        (await Rig.OnServerAsync(lab.Servers[1], "sh", "-c",
            "cd /var/lib/portal && stat -c '%n %u %a' . disk disk/scratch-0 && cd /etc/portal && stat -c '%n %u %a' engine engine/key.pem identity/*"))
            .ShouldBe($". 0 711\ndisk 0 711\ndisk/scratch-0 {uid} 700\nengine 0 700\nengine/key.pem 0 600\nidentity/group 0 644\nidentity/passwd 0 644");
        var model = Directory.CreateTempSubdirectory("portal-").FullName;
        try
        {
            var (passwd, group) = new Identities(model).Ensure(uid); // as on the portal's own host
            foreach (var file in (string[])[passwd, group])
                (await Rig.OnServerAsync(lab.Servers[1], "cat", $"/etc/portal/identity/{Path.GetExtension(file)[1..]}"))
                    .ShouldBe((await File.ReadAllTextAsync(file, Cancel)).Trim());
        }
        finally
        {
            Directory.Delete(model, recursive: true);
        }
    }

    [Fact]
    public async Task Glance_ServerImage_NamesNodeImagesAsItsContainerEngineDoes()
    {
        var storage = lab.Stacks.Storage;
        var glance = new ServiceClient(ServiceKind.Images, storage.Mine.Keystone, storage.Services.GetRequiredService<OpenStackHttp>());

        var image = (await glance.GetAsync("v2/images?name=portal-server", Cancel)).GetProperty("images").EnumerateArray().ShouldHaveSingleItem();

        (await Rig.OnServerAsync(lab.Servers[0], "docker", "image", "inspect", "-f", "{{.Id}}", image.GetProperty("portal_tag_python").GetString()!))
            .ShouldBe(image.GetProperty("portal_image_python").GetString());
    }

    [Fact]
    public async Task Reboot_WithoutThePortal_NodeIsBackOnceItsFolderIsMounted()
    {
        await Rig.OnServerAsync(lab.Servers[0], "docker", "run", "-d", "--name", "other", "--restart", "always", "--network", "host",
            await NodeAsync("{{.Image}}"), "sleep", "1000");
        await lab.InNodeAsync("sh", "-c", $"echo kept > {lab.Work}/file");
        var started = await NodeAsync("{{.State.StartedAt}}");

        await RebootAsync();
        await Eventually.SeesAsync(() => NodeAsync("{{.State.Running}} {{.State.StartedAt}}"), s => s.StartsWith("true", StringComparison.Ordinal)
            && !s.EndsWith(started, StringComparison.Ordinal), "the node is back", 60);
        (await lab.InNodeAsync("cat", $"{lab.Work}/file")).ShouldBe("kept");
        await AllAsync([$"tcp {Rig.Api} 5000", $"tcp {Own} {ServerLab.EnginePort}"], Refused);
        (await PingAsync(lab.Authority, Fingerprint)).ShouldStartWith("HTTP/1.1 200", Case.Sensitive, "its key is the same");
        (await NodeAsync("{{.State.Running}}", "other")).ShouldBe("false", "the container engine starts nothing by itself");

        // Nobody may mount the folder now: the node waits, and sees no empty folder.
        await lab.Stacks.DenyAsync(lab.Access);
        started = await NodeAsync("{{.State.StartedAt}}");
        var since = TimeProvider.System.GetUtcNow();
        await RebootAsync();
        await Eventually.SeesAsync(() => Rig.ConsoleAsync(lab.Servers[0], since),
            c => c.Contains($"the folder {lab.Folder} is not mounted, so the node waits for it", StringComparison.Ordinal), "it waits for the mount", 60);
        (await NodeAsync("{{.State.Running}} {{.State.StartedAt}}")).ShouldBe($"false {started}");

        await lab.Stacks.AllowAsync(lab.Access, lab.Plan.Subnet);
        await Eventually.SeesAsync(() => NodeAsync("{{.State.Running}}"), s => s == "true", "the node is back", 60);
        (await lab.InNodeAsync("cat", $"{lab.Work}/file")).ShouldBe("kept");
    }

    /// <summary>Each target ends as expected, asked from the first node; what does not is listed.</summary>
    private async Task AllAsync(string[] targets, string expected)
    {
        var answers = await AskAsync(targets, ["docker", "exec", "node", "python3"], lab.Servers[0]);
        var list = targets.Zip(answers, (t, a) => $"{t}: {a}").ToList();
        Output.WriteLine(string.Join('\n', list));
        list.ShouldBe(targets.Select(t => $"{t}: {expected}"));
    }

    private static async Task<string[]> AskAsync(string[] targets, string[] python, string server) =>
        (await Rig.OnServerAsync(server, [.. python, "-c", Try, .. targets])).Split('\n');

    private static string FirstOf(string subnet)
    {
        var address = IPNetwork.Parse(subnet).BaseAddress.GetAddressBytes();
        address[3]++;
        return $"{new IPAddress(address)}";
    }

    /// <summary>Status line of the container engine's answer; throws if it lets this client in no farther.</summary>
    private async Task<string?> PingAsync(X509Certificate2? client, string? fingerprint)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(Own, ServerLab.EnginePort, Cancel);
        await using var tls = new SslStream(connection.GetStream(), false, (_, server, _, _) => server is not null
            && Convert.ToHexStringLower(SHA256.HashData(server.GetRawCertData())) == fingerprint);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = Own,
            ClientCertificates = client is null ? null : [client],
            EnabledSslProtocols = SslProtocols.Tls13,
        }, Cancel);
        await tls.WriteAsync(Encoding.ASCII.GetBytes($"GET /_ping HTTP/1.1\r\nHost: {Own}\r\nConnection: close\r\n\r\n"), Cancel);
        using var reader = new StreamReader(tls);
        return await reader.ReadLineAsync(Cancel);
    }

    private async Task RebootAsync() => (await lab.Stacks.Storage.Mine.Servers.SendAsync(HttpMethod.Post, $"servers/{lab.Servers[0]}/action",
        new JsonObject { ["reboot"] = new JsonObject { ["type"] = "SOFT" } }, Cancel)).Must();

    /// <summary>A property of a container on the first server; empty while server or container engine is down.</summary>
    private Task<string> NodeAsync(string format, string name = "node") =>
        Rig.MaybeOnServerAsync(lab.Servers[0], "docker", "inspect", "-f", format, name);
}
