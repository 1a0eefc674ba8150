using System.Net;
using System.Net.Sockets;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>All containers share the host's connection table, and a full one refuses every connection:
/// nodes try to fill it, and the entries are counted on the host.</summary>
public sealed class ConnectionTrackingTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const int Sockets = 20, Ports = 100, Connects = 200;
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private const string Serve = """
        import socket
        s = socket.socket(); s.bind(('0.0.0.0', 9000)); s.listen(500)
        while True:
            c, _ = s.accept(); c.sendall(b'hello'); c.close()
        """;

    /// <summary>To the other node, and by broadcast, which is bridged as well.</summary>
    private static string Flood(params string[] targets) => $$"""
        import socket
        for _ in range({{Sockets}}):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for port in range(20000, 20000 + {{Ports}}):
                for to in "{{string.Join(' ', targets)}}".split():
                    try: s.sendto(b"x", (to, port))
                    except BlockingIOError: pass
        heard = 0
        for _ in range({{Connects}}):
            with socket.create_connection(("{{targets[0]}}", 9000), 5) as c: heard += c.recv(5) == b"hello"
        print("heard", heard)
        """;

    [Fact]
    public async Task Flood_BetweenNodes_IsNotTrackedByTheHostAndOnlyTheRuleKeepsItSo()
    {
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(), await Lab.NodeAsync("worker0", command: ["python3", "-c", Serve])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var (peer, all) = (await Lab.AddressAsync(plan, "worker0"), Last(plan.Subnet));
        await Eventually.HoldsAsync(async () => await Lab.ReachAsync(plan, peer, 9000) == "reached", "the other node answers");
        var rule = Lab.Get<FirewallRules>().IsolationRules.Single(r => r.Table == "raw" && !r.Six);

        await FloodAsync();
        ConnectionTable.Count(plan.Subnet).ShouldBe(0);

        (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
        await FloodAsync();
        var without = ConnectionTable.Count(plan.Subnet);
        await Lab.Clusters.EnsureAsync(plan, Cancel); // restores it
        await FloodAsync();

        without.ShouldBeGreaterThan(Sockets * Ports);
        ConnectionTable.Count(plan.Subnet).ShouldBeLessThanOrEqualTo(without, "nothing was added");
        TestContext.Current.SendDiagnosticMessage($"entries of the workspace: 0 with the rule, {without} without");

        async Task FloodAsync() =>
            (await Lab.PythonInsideAsync(plan, "notebook", Flood(peer, all, "255.255.255.255", "239.1.2.3"))).Output.ShouldBe($"heard {Connects}");
    }

    [Fact]
    public async Task Flood_AgainstTheHost_IsNotTrackedOnlyForTheRuleAndAnswersToTheHostStillPass()
    {
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(), await Lab.NodeAsync("worker0", command: ["python3", "-c", Serve])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var (gateway, peer) = (First(plan.Subnet), await Lab.AddressAsync(plan, "worker0"));
        var rule = Lab.Get<FirewallRules>().IsolationRules[0];

        await FloodAsync();
        ConnectionTable.Count(plan.Subnet).ShouldBe(0, "dropped before they are stored");

        (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);
        await FloodAsync();
        var without = ConnectionTable.Count(plan.Subnet);
        await Lab.Clusters.EnsureAsync(plan, Cancel); // restores it
        without.ShouldBeGreaterThan(Sockets * Ports / 2); // its queue for packets is short

        await Eventually.HoldsAsync(async () =>
        {
            using var client = new TcpClient();
            await client.ConnectAsync(peer, 9000, Cancel);
            var buffer = new byte[5];
            await client.GetStream().ReadExactlyAsync(buffer, Cancel);
            return buffer.AsSpan().SequenceEqual("hello"u8);
        }, "the host reaches nodes");

        async Task FloodAsync() => (await Lab.PythonInsideAsync(plan, "notebook", $$"""
            import socket
            for _ in range({{Sockets}}):
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                for port in range(20000, 20000 + {{Ports}}): s.sendto(b"x", ("{{gateway}}", port))
            links = [socket.socket() for _ in range({{Connects}})]
            for l in links: l.setblocking(False); l.connect_ex(("{{gateway}}", 22))
            print("sent")
            """)).Output.ShouldBe("sent");
    }

    private static string First(string subnet) => At(subnet, 1);

    private static string Last(string subnet) => At(subnet, 31);

    private static string At(string subnet, int number)
    {
        var bytes = IPNetwork.Parse(subnet).BaseAddress.GetAddressBytes();
        bytes[3] += (byte)number;
        return new IPAddress(bytes).ToString();
    }
}
