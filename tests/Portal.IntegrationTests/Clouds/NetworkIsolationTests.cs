using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>What a node can reach, tried from inside: the nodes of its own workspace and nothing else.</summary>
public sealed class NetworkIsolationTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private const string Serve =
        "import socket, time\ns = socket.socket(); s.bind(('0.0.0.0', 9000)); s.listen(50)\nwhile True:\n    c, _ = s.accept(); c.sendall(b'hello'); c.close()";

    private const string ServeSix = "import socket\ns = socket.create_server(('::', 9000), family=socket.AF_INET6)\nwhile True: s.accept()[0].close()";

    [Fact]
    public async Task OwnNodes_ByNameAndAddress_AreReachedAndFromTheHostToo()
    {
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(), await Lab.NodeAsync("worker0", command: ["python3", "-c", Serve])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var address = await Lab.AddressAsync(plan, "worker0");

        await Eventually.HoldsAsync(async () => await Lab.ReachAsync(plan, "worker0", 9000) == "reached", "the other node by name");
        (await ReachesAsync(plan, address, 9000)).ShouldBeTrue();
        using var host = new TcpClient();
        await host.ConnectAsync(address, 9000, Cancel);
        (await Lab.InsideAsync(plan, "notebook", "getent", "hosts", "any")).Output.ShouldStartWith("0.0.0.0");
    }

    [Fact]
    public async Task Host_OnAnyOfItsAddresses_IsNotReached()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var addresses = NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address)
            .Where(a => a.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(a))
            .Select(a => a.ToString())
            .Append(Gateway(plan))
            .Distinct(StringComparer.Ordinal)
            .ToList();
        addresses.Count.ShouldBeGreaterThan(1);

        foreach (var address in addresses)
        {
            (await ReachesAsync(plan, address, port)).ShouldBeFalse(address);
        }

        (await Lab.ReachAsync(plan, "127.0.0.1", port)).ShouldBe("ECONNREFUSED", "its loopback is its own");
        // The listener exists: from the host it answers.
        using var self = new TcpClient();
        await self.ConnectAsync(IPAddress.Loopback, port, Cancel);
    }

    [Fact]
    public async Task WithoutTheRule_TheHostIsReached_WhichIsWhyThereIsOne()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        (await ReachesAsync(plan, Gateway(plan), port)).ShouldBeFalse();
        var rule = Lab.Get<FirewallRules>().IsolationRules[0];

        (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
        var reached = await ReachesAsync(plan, Gateway(plan), port);
        await Lab.Clusters.EnsureAsync(plan, Cancel); // restores it, though nothing else is missing

        reached.ShouldBeTrue();
        (await ReachesAsync(plan, Gateway(plan), port)).ShouldBeFalse();
    }

    [Fact]
    public async Task OtherBridges_OfThisAndOtherInstallations_AreNotReached()
    {
        await using var other = CloudLab.Open();
        var mine = await Lab.PlanAsync();
        var neighbour = await Lab.PlanAsync(nodes: await Lab.NodeAsync(command: ["python3", "-c", Serve]));
        var foreign = await other.PlanAsync(nodes: await other.NodeAsync(command: ["python3", "-c", Serve]));
        await Lab.Clusters.EnsureAsync(mine, Cancel);
        await Lab.Clusters.EnsureAsync(neighbour, Cancel);
        await other.Clusters.EnsureAsync(foreign, Cancel);

        foreach (var address in new[] { await Lab.AddressAsync(neighbour, "notebook"), await other.AddressAsync(foreign, "notebook") })
        {
            await Eventually.HoldsAsync(() => ConnectsAsync(address, 9000), "it responds to the host");
            (await ReachesAsync(mine, address, 9000)).ShouldBeFalse(address);
        }

        // The container engine's own rules keep its bridges apart as well. Passed over by another program's rule, only ours are left.
        var own = Bridge(mine);
        (CloudLab Lab, ClusterPlan Plan)[] others = [(Lab, neighbour), (other, foreign)];
        foreach (var (lab, plan) in others)
        {
            var address = await lab.AddressAsync(plan, "notebook");
            var there = lab.Owned.Bridge(lab.Owned.Network(plan.Workspace, plan.Generation));
            foreach (var (from, to) in new[] { (own, there), (there, own) })
                (await OwnDisk.RunAsync("iptables", "-w", "10", "-I", FirewallRules.Forwarded, "1", "-i", from, "-o", to, "-j", "ACCEPT")).ShouldBe(0);
            (await ReachesAsync(mine, address, 9000)).ShouldBeTrue($"{address} before any rule");

            foreach (var rule in lab.Get<FirewallRules>().IsolationRules.Where(r => r.Chain == FirewallRules.Forwarded))
            {
                (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
                (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-I"))).ShouldBe(0); // before it again
            }
            (await ReachesAsync(mine, address, 9000)).ShouldBeFalse($"{address} by our rules alone");
        }
    }

    [Fact]
    public async Task EngineAndDatabase_AreNotReached()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        // As if both listened on every address of the host, which they do not.
        int[] ports = [2375, 2376, 5432];
        var listeners = ports.Select(p => new TcpListener(IPAddress.Parse(Gateway(plan)), p)).ToList();
        try
        {
            listeners.ForEach(l => l.Start());
            foreach (var port in ports) (await ReachesAsync(plan, Gateway(plan), port)).ShouldBeFalse($"{port}");
            var rule = Lab.Get<FirewallRules>().IsolationRules[0];
            (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
            foreach (var port in ports) (await ReachesAsync(plan, Gateway(plan), port)).ShouldBeTrue($"{port} without the rule");
            await Lab.Clusters.EnsureAsync(plan, Cancel); // restores it
        }
        finally
        {
            listeners.ForEach(l => l.Dispose());
        }

        // It sees its own socket, so it would see others.
        await Lab.PythonInsideAsync(plan, "notebook", "import socket; socket.socket(socket.AF_UNIX).bind('/tmp/own.sock')");
        var (output, _) = await Lab.InsideAsync(plan, "notebook", "sh", "-c",
            "find / -xdev -type s 2>/dev/null; find /run /var/run /tmp -type s 2>/dev/null; "
            + "ls /run/docker.sock /var/run/docker.sock /run/containerd 2>/dev/null");
        output.ShouldBe("/tmp/own.sock");
        (await Lab.PythonInsideAsync(plan, "notebook",
            "import os; print([p for p in os.listdir('/proc') if p.isdigit() and 'dockerd' in open(f'/proc/{p}/comm').read()])")).Output.ShouldBe("[]");
    }

    [Fact]
    public async Task World_BeyondTheHost_IsNotReachedAndOnlyTheRulesKeepItSo()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await using var externalHost = await ExternalHost.MakeAsync(Cancel);
        (await ConnectsAsync(externalHost.Address, ExternalHost.Port)).ShouldBeTrue("it responds to the host");
        (await ReachesAsync(plan, externalHost.Address, ExternalHost.Port)).ShouldBeFalse();

        // Untracked, a reply would not be let back in by the container engine's own rules.
        foreach (var rule in Lab.Get<FirewallRules>().IsolationRules.Where(r => r.Chain == FirewallRules.Forwarded || r is { Table: "raw", Six: false }))
            (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
        var reached = await ReachesAsync(plan, externalHost.Address, ExternalHost.Port);
        await Lab.Clusters.EnsureAsync(plan, Cancel); // restores them

        reached.ShouldBeTrue();
        (await ReachesAsync(plan, externalHost.Address, ExternalHost.Port)).ShouldBeFalse();
    }

    [Fact]
    public async Task Internet_ByAddressOrName_IsNotReachedAndNamesFailAtOnce()
    {
        const string Resolve = """
            import socket, time
            t = time.time()
            try: print("resolved", socket.getaddrinfo("mirror.portal.test", 80, type=socket.SOCK_STREAM)[0][4][0])
            except socket.gaierror as e: print([n for n in dir(socket) if n.startswith("EAI_") and getattr(socket, n) == e.errno], time.time() - t < 3)
            """;
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await using var externalHost = await ExternalHost.MakeAsync(Cancel);
        await externalHost.ResolveAsync(Cancel);
        // On the same network, and with a name server that a node does not have.
        await using var open = await UnconfinedContainer.StartAsync(Lab, "names", uid: 300_001, capable: false, change: c =>
            (c.NetworkMode, c.DNS, c.DNSOptions) = (Lab.Owned.Network(plan.Workspace, plan.Generation), [externalHost.Address], ["timeout:1", "attempts:1"]));

        foreach (var (address, port) in new[] { ("1.1.1.1", 443), ("8.8.8.8", 53), ("192.0.2.1", 80) })
        {
            (await ReachesAsync(plan, address, port)).ShouldBeFalse(address);
        }

        await NoNamesAsync();
        // Every name server that this host knows, queried directly.
        foreach (var server in (await File.ReadAllLinesAsync("/etc/resolv.conf", Cancel))
            .Where(l => l.StartsWith("nameserver ", StringComparison.Ordinal))
            .Select(l => l.Split(' ')[1]))
        {
            (await AskAsync(server)).ShouldBe("TimeoutError", server);
        }
        (await AskAsync(externalHost.Address)).ShouldBe("TimeoutError");

        // Without the rules every question is answered, but a node's own resolver still has nobody to ask.
        foreach (var rule in Lab.Get<FirewallRules>().IsolationRules.Where(r => r.Chain == FirewallRules.Forwarded || r is { Table: "raw", Six: false }))
            (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
        (await AskAsync(externalHost.Address)).ShouldBe("answered 45");
        (await open.PythonAsync(Resolve)).ShouldBe(["resolved 192.0.2.1"]);
        (await Lab.PythonInsideAsync(plan, "notebook", Resolve)).Output.ShouldBe("['EAI_AGAIN'] True");
        await Lab.Clusters.EnsureAsync(plan, Cancel); // restores them
        await NoNamesAsync();

        async Task NoNamesAsync()
        {
            (await Lab.PythonInsideAsync(plan, "notebook", Resolve)).Output.ShouldBe("['EAI_AGAIN'] True");
            (await open.PythonAsync(Resolve)).Single().ShouldStartWith("['EAI_AGAIN']");
        }

        async Task<string> AskAsync(string server) => (await Lab.PythonInsideAsync(plan, "notebook", $$"""
            import socket, struct
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
            try:
                s.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\6portal\4test\0\0\1\0\1", ("{{server}}", 53)); print("answered", len(s.recv(512)))
            except OSError as e: print(type(e).__name__)
            """)).Output;
    }

    [Fact]
    public async Task RawSocketsAndAddresses_CannotBeMade()
    {
        const string Attempts = """
            import errno, os, socket
            for title, kind in [("raw", (socket.AF_INET, socket.SOCK_RAW, 1)), ("packet", (socket.AF_PACKET, socket.SOCK_RAW, 0x300))]:
                try: socket.socket(*kind); print(title, "works")
                except OSError as e: print(title, errno.errorcode[e.errno])
            print("six", [l.split()[-1] for l in open("/proc/net/if_inet6") if not l.split()[-1] == "lo"] if os.path.exists("/proc/net/if_inet6") else [])
            """;
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await using var open = await UnconfinedContainer.StartAsync(Lab, "raw", uid: 0, capable: true);

        (await Lab.PythonInsideAsync(plan, "notebook", Attempts)).Output.Split('\n').ShouldBe(["raw EPERM", "packet EPERM", "six []"]);
        (await open.PythonAsync(Attempts)).Take(2).ShouldBe(["raw works", "packet works"]);
    }

    [Fact]
    public async Task IPv6_TurnedOnInAContainer_ReachesNobodyAndOnlyTheRulesKeepItSo()
    {
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(), await Lab.NodeAsync("worker0", command: ["python3", "-c", ServeSix])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        using var listener = new TcpListener(IPAddress.IPv6Any, 0);
        listener.Start();
        foreach (var (node, number) in new[] { ("notebook", 1), ("worker0", 2) })
        {
            var container = Lab.Owned.Container(plan.Workspace, plan.Generation, node);
            var inspected = await Lab.ContainerEngine.CallAsync(c => c.Containers.InspectContainerAsync(container, Cancel), Cancel);
            await EnableSixAsync(inspected.State!.Pid, number);
        }

        (string Address, int Port)[] targets = [($"{AddressSix(Bridge(plan))}%eth0", ((IPEndPoint)listener.LocalEndpoint).Port), ("fe80::2%eth0", 9000)];
        foreach (var (address, port) in targets) (await ReachesAsync(plan, address, port)).ShouldBeFalse(address);

        foreach (var rule in Lab.Get<FirewallRules>().IsolationRules.Where(r => r.Six)) (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
        foreach (var (address, port) in targets)
            await Eventually.HoldsAsync(async () => await Lab.ReachAsync(plan, address, port) == "reached", $"{address} without the rules");
        await Lab.Clusters.EnsureAsync(plan, Cancel); // restores them
        foreach (var (address, port) in targets) (await ReachesAsync(plan, address, port)).ShouldBeFalse(address);
    }

    /// <summary>Image builds run what packages bring, on a bridge of their own.</summary>
    [Fact]
    public async Task IPv6_OnTheBridgeOfImageBuilds_ReachesNobodyAndOnlyTheRulesKeepItSo()
    {
        var firewall = Lab.Get<Firewall>();
        await firewall.EnsureAsync(Cancel);
        await Lab.Get<Networks>().CreateAsync(Lab.Owned.BuildNetwork, Lab.Owned.BuildBridge, subnet: null, egress: true, Lab.Owned.Labels("build"), Cancel);
        void OnThatBridge(Docker.DotNet.Models.HostConfig c) => c.NetworkMode = Lab.Owned.BuildNetwork;
        await using var build = await UnconfinedContainer.StartAsync(Lab, "build", 300_001, capable: false, change: OnThatBridge);
        await using var other = await UnconfinedContainer.StartAsync(Lab, "other", 300_001, capable: false, change: OnThatBridge);
        await EnableSixAsync(await build.ProcessAsync(), 1);
        await EnableSixAsync(await other.ProcessAsync(), 2);
        using var listener = new TcpListener(IPAddress.IPv6Any, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await other.PythonAsync($"import os\nif os.fork(): os._exit(0)\nfor f in (0, 1, 2): os.dup2(os.open('/dev/null', os.O_RDWR), f)\n{ServeSix}");
        string[] targets = [CloudLab.Reach($"{AddressSix(Lab.Owned.BuildBridge)}%eth0", port), CloudLab.Reach("fe80::2%eth0", 9000)];

        foreach (var target in targets) (await build.PythonAsync(target)).ShouldBe(["ETIMEDOUT"]);
        var rules = Lab.Get<FirewallRules>().IsolationRules.Where(r => r.Six && r.Specification.Contains(Lab.Owned.BuildBridge, StringComparer.Ordinal));
        foreach (var rule in rules) (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
        foreach (var target in targets)
            await Eventually.HoldsAsync(async () => (await build.PythonAsync(target)) is ["reached"], $"{target} without the rules");
        await firewall.EnsureAsync(Cancel); // restores them
        foreach (var target in targets) (await build.PythonAsync(target)).ShouldBe(["ETIMEDOUT"]);
    }

    private string Bridge(ClusterPlan plan) => Lab.Owned.Bridge(Lab.Owned.Network(plan.Workspace, plan.Generation));

    /// <summary>The host's own address on a bridge.</summary>
    private static string AddressSix(string bridge) => NetworkInterface.GetAllNetworkInterfaces().Single(i => i.Name == bridge).GetIPProperties()
        .UnicastAddresses.Select(a => a.Address).Single(a => a.IsIPv6LinkLocal).ToString().Split('%')[0];

    /// <summary>As a container engine with other settings than Debian's might do, from outside: a student cannot.</summary>
    private static async Task EnableSixAsync(long process, int number) => (await OwnDisk.RunAsync("nsenter", "--target", $"{process}", "--net", "sh", "-c",
        $"echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6 && ip -6 addr add fe80::{number}/64 dev eth0 nodad")).ShouldBe(0);

    private static string Gateway(ClusterPlan plan)
    {
        var bytes = IPNetwork.Parse(plan.Subnet).BaseAddress.GetAddressBytes();
        bytes[3]++;
        return new IPAddress(bytes).ToString();
    }

    private Task<bool> ReachesAsync(ClusterPlan plan, string address, int port) => Lab.ReachesAsync(plan, address, port);

    private static async Task<bool> ConnectsAsync(string address, int port)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(address, port, Cancel);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
