using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// The host's rules that keep containers apart from everything but each other on their own bridge, and the site's way out where it has one.
/// A bridge without masquerade still lets a container reach what listens on the host, and other bridges through it.
/// By the prefix of the bridges' names, so they hold for each new network from its first packet. Whoever resets the installation deletes every
/// rule that mentions the prefix. Drop rules are final whichever of legacy and nft the engine itself uses.
/// </summary>
public sealed class Firewall(Owned owned, DockerOptions options, TimeProvider time)
{
    private const string Input = "INPUT", Forwarded = "DOCKER-USER";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);
    private string? _tool;
    private bool _opened;

    /// <param name="Words">Match and target; the prefix of the bridges stands in every one.</param>
    public sealed record Rule(string Chain, string[] Words, string Table = "filter");

    /// <summary>Puts in what is missing, in any number of processes at once. Throws <see cref="CloudFault.Refused"/> with the reason where there is no usable firewall.</summary>
    public async Task EnsureAsync(CancellationToken cancel)
    {
        _tool ??= await ToolAsync(cancel);
        var walled = false;
        foreach (var rule in Rules) walled |= await EnsureAsync(rule, cancel);
        // A wall that was put in stands before the door in it, also where whoever put it in died before it came to the door.
        if (walled || !_opened) await CloseAsync(cancel);
        foreach (var rule in WayOut()) await EnsureAsync(rule, cancel);
        _opened = true;
    }

    /// <summary>The walls.</summary>
    public IReadOnlyList<Rule> Rules { get; } =
    [
        // Answers to what the host began (the proxy, the probe) come in; nothing else does.
        new(Input, ["-i", $"{owned.BridgePrefix}+", "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", "-j", "DROP"]),
        new(Input, ["-i", owned.BuildBridge, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", "-m", "comment", "--comment", $"{owned.BridgePrefix} image builds", "-j", "DROP"]),
        // Between two containers of one bridge a packet is bridged, not routed; where br_netfilter is on it passes here all the same. All that is routed is dropped, both ways.
        new(Forwarded, ["-i", $"{owned.BridgePrefix}+", "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
        new(Forwarded, ["-o", $"{owned.BridgePrefix}+", "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
    ];

    private string WayOutMark => $"{owned.BridgePrefix}-way-out-";

    /// <summary>To one address and port, on this host or beyond it, and back. Beyond it nobody knows the nodes' addresses: the host's stands for them.</summary>
    private Rule[] WayOut()
    {
        if (options.WayOutProxy is not { } proxy) return [];
        var nodes = $"{owned.BridgePrefix}+";
        string[] mark = ["-m", "comment", "--comment", $"{WayOutMark}{proxy}"];
        string[] there = ["-d", $"{proxy.Address}", "-p", "tcp", "--dport", $"{proxy.Port}", .. mark], back = ["-s", $"{proxy.Address}", "-p", "tcp", "--sport", $"{proxy.Port}", .. mark];
        return
        [
            new(Input, ["-i", nodes, .. there, "-j", "ACCEPT"]),
            new(Forwarded, ["-i", nodes, .. there, "-j", "ACCEPT"]),
            new(Forwarded, ["-o", nodes, .. back, "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"]),
            new("POSTROUTING", ["-s", options.Pool, .. there, "-j", "MASQUERADE"], Table: "nat"),
        ];
    }

    /// <summary>Takes all ways out away, those of an earlier setting too.</summary>
    private async Task CloseAsync(CancellationToken cancel)
    {
        foreach (var table in (string[])["filter", "nat"])
        {
            var there = await RunAsync(_tool!, ["-w", "10", "-t", table, "-S"], cancel);
            // No word of such a rule has a blank in it, so its quotes say nothing.
            foreach (var words in there.Output.Replace("\"", "", StringComparison.Ordinal).Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            {
                if (words is ["-A", var chain, .. var rule] && rule.Any(w => w.StartsWith(WayOutMark, StringComparison.Ordinal))) await RunAsync(_tool!, ["-w", "10", "-t", table, "-D", chain, .. rule], cancel);
            }
        }
    }

    /// <summary>True where it was missing.</summary>
    private async Task<bool> EnsureAsync(Rule rule, CancellationToken cancel)
    {
        // Without the engine's own chain for such rules, the one that it is called from.
        foreach (var chain in rule.Chain == Forwarded ? [Forwarded, "FORWARD"] : (string[])[rule.Chain])
        {
            if ((await RunAsync(_tool!, ["-w", "10", "-t", rule.Table, "-C", chain, .. rule.Words], cancel)).Well) return false;
            var made = await RunAsync(_tool!, ["-w", "10", "-t", rule.Table, "-I", chain, "1", .. rule.Words], cancel);
            if (made.Well) return true;
            // The same words stand for a missing match: then the next chain fails too, and says so.
            if (chain != Forwarded || !made.Complaint.Contains("No chain/target/match", StringComparison.OrdinalIgnoreCase)) throw Refused(made.InOneLine, null);
        }

        throw Refused($"iptables has no chain {rule.Chain}", null);
    }

    /// <summary>Debian's iptables speaks nftables; a kernel without it may still have the older tables.</summary>
    private async Task<string> ToolAsync(CancellationToken cancel)
    {
        var usual = await RunAsync("iptables", ["-w", "10", "-S", "INPUT"], cancel);
        if (usual.Well)
        {
            return "iptables";
        }

        return File.Exists("/usr/sbin/iptables-legacy") && (await RunAsync("iptables-legacy", ["-w", "10", "-S", "INPUT"], cancel)).Well ? "iptables-legacy" : throw Refused(usual.InOneLine, null);
    }

    private async Task<Tool.Said> RunAsync(string tool, IEnumerable<string> arguments, CancellationToken cancel)
    {
        try
        {
            return await Tool.RunAsync(EngineFaults.Service, tool, arguments, Limit, time, cancel);
        }
        catch (CloudException e) when (e.Fault == CloudFault.Refused)
        {
            throw Refused("iptables is not installed", e);
        }
    }

    private static CloudException Refused(string words, Exception? cause) => EngineFaults.Make(CloudFault.Refused, $"the host's firewall cannot be set: {words}",
        "Install iptables and run Portal.Jobs as root: without these rules containers could reach the host, so nothing is launched.", cause);
}
