using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// The host's rules that keep containers apart from everything but each other on their own bridge. A bridge without masquerade still lets a
/// container reach what listens on the host, and other bridges through it.
/// By the prefix of the bridges' names, so they hold for each new network from its first packet. Whoever resets the installation deletes every
/// rule that mentions the prefix. Drop rules are final whichever of legacy and nft the engine itself uses.
/// </summary>
public sealed class Firewall(Owned owned, TimeProvider time)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);
    private string? _tool;

    /// <summary>Puts in what is missing, in any number of processes at once. Throws <see cref="CloudFault.Refused"/> with the reason where there is no usable firewall.</summary>
    public async Task EnsureAsync(CancellationToken cancel)
    {
        _tool ??= await ToolAsync(cancel);
        foreach (var rule in Rules)
        {
            if (!await EnsureAsync(rule.Chain, rule.Words, cancel) && !(rule.Chain == "DOCKER-USER" && await EnsureAsync("FORWARD", rule.Words, cancel)))
            {
                throw Refused($"iptables has no chain {rule.Chain}", null);
            }
        }
    }

    /// <summary>Chain and match of each rule; the prefix or, in a comment, the name of it stands in every one.</summary>
    public IReadOnlyList<(string Chain, string[] Words)> Rules { get; } =
    [
        // Answers to what the host began (the proxy, the probe) come in; nothing else does.
        ("INPUT", ["-i", $"{owned.BridgePrefix}+", "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", "-j", "DROP"]),
        ("INPUT", ["-i", owned.BuildBridge, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", "-m", "comment", "--comment", $"{owned.BridgePrefix} image builds", "-j", "DROP"]),
        // Between two containers of one bridge a packet is bridged, not routed; where br_netfilter is on it passes here all the same. All that is routed is dropped, both ways.
        ("DOCKER-USER", ["-i", $"{owned.BridgePrefix}+", "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
        ("DOCKER-USER", ["-o", $"{owned.BridgePrefix}+", "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"]),
    ];

    /// <summary>False where the chain does not exist.</summary>
    private async Task<bool> EnsureAsync(string chain, string[] words, CancellationToken cancel)
    {
        if ((await RunAsync(_tool!, ["-w", "10", "-C", chain, .. words], cancel)).Well)
        {
            return true;
        }

        var made = await RunAsync(_tool!, ["-w", "10", "-I", chain, "1", .. words], cancel);
        if (made.Well)
        {
            return true;
        }

        // The same words stand for a missing match: then the fallback fails too, and says so.
        return chain == "DOCKER-USER" && made.Complaint.Contains("No chain/target/match", StringComparison.OrdinalIgnoreCase) ? false : throw Refused(made.InOneLine, null);
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
