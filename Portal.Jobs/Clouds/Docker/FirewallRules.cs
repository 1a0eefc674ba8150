using System.Net;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <param name="Specification">Match and target; each rule contains the prefix of the bridges.</param>
/// <param name="Six">Whether it is for IPv6.</param>
public sealed record FirewallRule(string Chain, string[] Specification, string Table = "filter", bool Six = false)
{
    /// <summary>The program that manages the rule, with nftables.</summary>
    public string Tool => Six ? "ip6tables" : "iptables";

    /// <summary>Arguments of <see cref="Tool"/>.</summary>
    /// <param name="verb">Such as -C, -D, or -I with the position.</param>
    /// <param name="chain">A chain other than the rule's own.</param>
    public string[] Arguments(string verb, string? chain = null) =>
        [.. Firewall.Waiting, "-t", Table, verb, chain ?? Chain, .. verb == "-I" ? ["1"] : (string[])[], .. Specification];
}

/// <summary>The rules that an installation's bridges need. They match the prefix of bridge names,
/// so they apply to each new network from its first packet.</summary>
public sealed class FirewallRules(Owned owned, DockerOptions options)
{
    /// <summary>The container engine's chain for user-defined rules, which it calls first.</summary>
    public const string Forwarded = "DOCKER-USER";

    /// <summary>
    /// Connections to the egress proxy that the nodes of one workspace may have open, and may open per second after a burst of that many. The host
    /// tracks a connection for two minutes after its end, so one workspace uses at most 64 + 64 + 120 × 5 entries of the host's table.
    /// </summary>
    public const int OpenConnections = 64, NewConnectionsEachSecond = 5;

    /// <summary>Prefix length of a workspace's network: limits apply to all of its nodes together.</summary>
    private const string WorkspacePrefix = "27";

    private string Nodes => $"{owned.BridgePrefix}+";

    private string[] Build => ["-m", "comment", "--comment", $"{owned.BridgePrefix} image builds"];

    /// <summary>Whether a listed rule is one of these, and not one that the container engine made for a single bridge.</summary>
    public bool IsOurs(string listed) =>
        listed.Contains(Nodes, StringComparison.Ordinal) || listed.Contains(EgressMark, StringComparison.Ordinal)
            || listed.Contains($"{owned.BridgePrefix} image builds", StringComparison.Ordinal);

    /// <summary>The isolation rules.</summary>
    public IReadOnlyList<FirewallRule> IsolationRules =>
    [
        // Replies to connections that the host opened (the proxy, the probe) may enter; nothing else may, whether tracked or not.
        new("INPUT", ["-i", Nodes, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", "-j", "DROP"]),
        new("INPUT", ["-i", owned.BuildBridge, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", .. Build, "-j", "DROP"]),
        // Packets between two containers on one bridge are bridged, not routed; with br_netfilter they still pass through here.
        // Everything routed is dropped, in both directions.
        new(Forwarded, ["-i", Nodes, "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
        new(Forwarded, ["-o", Nodes, "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
        // All containers share the host's connection table; when it is full, the whole host refuses new connections. Only replies to the host need tracking.
        new("PREROUTING", ["-i", Nodes, "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", "CT", "--notrack"], Table: "raw"),
        // The portal's networks have no IPv6, but bridges have an IPv6 address of their own, and so would a container that enables it.
        new("PREROUTING", ["-i", Nodes, "-j", "DROP"], Table: "raw", Six: true),
        new("POSTROUTING", ["-o", Nodes, "-j", "DROP"], Table: "mangle", Six: true),
        new("PREROUTING", ["-i", owned.BuildBridge, .. Build, "-j", "DROP"], Table: "raw", Six: true),
        new("POSTROUTING", ["-o", owned.BuildBridge, .. Build, "-j", "DROP"], Table: "mangle", Six: true),
    ];

    /// <summary>A marker that only egress proxy rules contain, including those of an earlier setting.</summary>
    public string EgressMark => $"{owned.BridgePrefix}-egress-";

    /// <summary>Tables that contain egress proxy rules.</summary>
    public static IReadOnlyList<string> EgressTables { get; } = ["filter", "nat", "mangle", "raw"];

    /// <summary>
    /// To one address and port, on this host or beyond it, and back. Hosts beyond do not know the nodes' addresses, so the host's address is used.
    /// Each is inserted before existing ones, so the last is evaluated first.
    /// </summary>
    public IReadOnlyList<FirewallRule> EgressRules => options.EgressEndpoint is { } proxy ? To(proxy) : [];

    private FirewallRule[] To(IPEndPoint proxy)
    {
        string[] mark = ["-m", "comment", "--comment", $"{EgressMark}{proxy}"];
        string[] there = ["-d", $"{proxy.Address}", "-p", "tcp", "--dport", $"{proxy.Port}", .. mark];
        string[] back = ["-s", $"{proxy.Address}", "-p", "tcp", "--sport", $"{proxy.Port}", .. mark];
        return
        [
            new("INPUT", ["-i", Nodes, .. there, "-j", "ACCEPT"]),
            new(Forwarded, ["-i", Nodes, .. there, "-j", "ACCEPT"]),
            new(Forwarded, ["-o", Nodes, .. back, "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"]),
            new("POSTROUTING", ["-s", options.Pool, .. there, "-j", "MASQUERADE"], Table: "nat"),
            // Replies find their way back by the connection table, so these are tracked, with a limit for each workspace.
            // A client that opens more retries a second later.
            new("PREROUTING", ["-i", Nodes, .. there, "-j", "ACCEPT"], Table: "raw"),
            new("PREROUTING", ["-i", Nodes, .. there, "--syn", "-m", "hashlimit", "--hashlimit-above", $"{NewConnectionsEachSecond}/sec",
                "--hashlimit-burst", $"{OpenConnections}", "--hashlimit-mode", "srcip", "--hashlimit-srcmask", WorkspacePrefix,
                "--hashlimit-name", owned.BridgePrefix, "-j", "DROP"], Table: "mangle"),
            new("PREROUTING", ["-i", Nodes, .. there, "--syn", "-m", "connlimit", "--connlimit-above", $"{OpenConnections}",
                "--connlimit-mask", WorkspacePrefix, "--connlimit-saddr", "-j", "DROP"], Table: "mangle"),
        ];
    }
}
