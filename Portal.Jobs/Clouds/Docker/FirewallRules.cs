using System.Net;

namespace Portal.Jobs.Clouds.Docker;

/// <param name="Words">Match and target; the prefix of the bridges stands in every one.</param>
/// <param name="Six">For IPv6.</param>
public sealed record FirewallRule(string Chain, string[] Words, string Table = "filter", bool Six = false)
{
    /// <summary>The program that knows the rule, where nftables is in use.</summary>
    public string Tool => Six ? "ip6tables" : "iptables";

    /// <summary>Arguments of <see cref="Tool"/>.</summary>
    /// <param name="verb">Such as -C, -D, or -I with the place.</param>
    /// <param name="chain">Another chain than the rule's own.</param>
    public string[] Arguments(string verb, string? chain = null) =>
        [.. Firewall.Waiting, "-t", Table, verb, chain ?? Chain, .. verb == "-I" ? ["1"] : (string[])[], .. Words];
}

/// <summary>Which rules an installation's bridges need. By the prefix of their names, so that they hold for each new network from its first packet.</summary>
public sealed class FirewallRules(Owned owned, DockerOptions options)
{
    /// <summary>The engine's chain for rules of other people's, which it calls first.</summary>
    public const string Forwarded = "DOCKER-USER";

    /// <summary>
    /// Connections to the site's proxy that the nodes of one workspace may have at once, and begin each second once they began that many. The host
    /// remembers a connection for two minutes after its end, so one workspace fills at most 64 + 64 + 120 × 5 places of the host's table.
    /// </summary>
    public const int OpenConnections = 64, NewConnectionsEachSecond = 5;

    /// <summary>Length of a workspace's network: limits are for all of its nodes together.</summary>
    private const string WorkspacePrefix = "27";

    private string Nodes => $"{owned.BridgePrefix}+";

    private string[] Build => ["-m", "comment", "--comment", $"{owned.BridgePrefix} image builds"];

    /// <summary>The walls.</summary>
    public IReadOnlyList<FirewallRule> Walls =>
    [
        // Answers to what the host began (the proxy, the probe) come in; nothing else does, whether it is tracked or not.
        new("INPUT", ["-i", Nodes, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", "-j", "DROP"]),
        new("INPUT", ["-i", owned.BuildBridge, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", .. Build, "-j", "DROP"]),
        // Between two containers of one bridge a packet is bridged, not routed; where br_netfilter is on it passes here all the same.
        // All that is routed is dropped, both ways.
        new(Forwarded, ["-i", Nodes, "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
        new(Forwarded, ["-o", Nodes, "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
        // All containers share the host's one table of connections, and when it is full the whole host refuses new ones. Only answers to the host need it.
        new("PREROUTING", ["-i", Nodes, "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", "CT", "--notrack"], Table: "raw"),
        // The portal's networks have no IPv6, but bridges have an address of their own there, and so would a container that turns it on.
        new("PREROUTING", ["-i", Nodes, "-j", "DROP"], Table: "raw", Six: true),
        new("POSTROUTING", ["-o", Nodes, "-j", "DROP"], Table: "mangle", Six: true),
        new("PREROUTING", ["-i", owned.BuildBridge, .. Build, "-j", "DROP"], Table: "raw", Six: true),
        new("POSTROUTING", ["-o", owned.BuildBridge, .. Build, "-j", "DROP"], Table: "mangle", Six: true),
    ];

    /// <summary>A word that only rules of the way out carry, those of an earlier setting too.</summary>
    public string WayOutMark => $"{owned.BridgePrefix}-way-out-";

    /// <summary>Tables in which rules of the way out stand.</summary>
    public static IReadOnlyList<string> WayOutTables { get; } = ["filter", "nat", "mangle", "raw"];

    /// <summary>
    /// To one address and port, on this host or beyond it, and back. Beyond it nobody knows the nodes' addresses: the host's stands for them.
    /// Each is put before those that stand, so the last is asked first.
    /// </summary>
    public IReadOnlyList<FirewallRule> WayOut => options.WayOutProxy is { } proxy ? To(proxy) : [];

    private FirewallRule[] To(IPEndPoint proxy)
    {
        string[] mark = ["-m", "comment", "--comment", $"{WayOutMark}{proxy}"];
        string[] there = ["-d", $"{proxy.Address}", "-p", "tcp", "--dport", $"{proxy.Port}", .. mark];
        string[] back = ["-s", $"{proxy.Address}", "-p", "tcp", "--sport", $"{proxy.Port}", .. mark];
        return
        [
            new("INPUT", ["-i", Nodes, .. there, "-j", "ACCEPT"]),
            new(Forwarded, ["-i", Nodes, .. there, "-j", "ACCEPT"]),
            new(Forwarded, ["-o", Nodes, .. back, "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"]),
            new("POSTROUTING", ["-s", options.Pool, .. there, "-j", "MASQUERADE"], Table: "nat"),
            // Its answers find their way back by the table, so these are tracked; few enough of each workspace.
            // A client that begins more tries again a second later.
            new("PREROUTING", ["-i", Nodes, .. there, "-j", "ACCEPT"], Table: "raw"),
            new("PREROUTING", ["-i", Nodes, .. there, "--syn", "-m", "hashlimit", "--hashlimit-above", $"{NewConnectionsEachSecond}/sec",
                "--hashlimit-burst", $"{OpenConnections}", "--hashlimit-mode", "srcip", "--hashlimit-srcmask", WorkspacePrefix,
                "--hashlimit-name", owned.BridgePrefix, "-j", "DROP"], Table: "mangle"),
            new("PREROUTING", ["-i", Nodes, .. there, "--syn", "-m", "connlimit", "--connlimit-above", $"{OpenConnections}",
                "--connlimit-mask", WorkspacePrefix, "--connlimit-saddr", "-j", "DROP"], Table: "mangle"),
        ];
    }
}
