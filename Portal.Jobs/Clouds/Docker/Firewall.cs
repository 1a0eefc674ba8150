using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// The host's rules that keep containers apart from everything but each other on their own bridge, and the site's way out where it has one.
/// A bridge without masquerade still lets a container reach what listens on the host, and other bridges through it.
/// Whoever resets the installation deletes every rule that mentions the prefix of its bridges. Drop rules are final whichever of legacy and nft
/// the engine itself uses.
/// </summary>
public sealed class Firewall(FirewallRules rules, TimeProvider time)
{
    /// <summary>Others change rules at the same time: seconds to wait for their lock.</summary>
    internal static readonly string[] Waiting = ["-w", "10"];
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);
    private string? _kind;
    private bool _opened;

    /// <summary>Puts in what is missing, in any number of processes at once. Throws <see cref="CloudFault.Refused"/> with the reason where there is no usable firewall.</summary>
    public async Task EnsureAsync(CancellationToken cancel)
    {
        _kind ??= await KindAsync(cancel);
        var walled = false;
        foreach (var rule in rules.Walls.Where(r => !r.Six || KnowsSix)) walled |= await EnsureAsync(rule, cancel);
        // A wall that was put in stands before the door in it, also where whoever put it in died before it came to the door.
        if (walled || !_opened) await CloseAsync(cancel);
        foreach (var rule in rules.WayOut) await EnsureAsync(rule, cancel);
        _opened = true;
    }

    /// <summary>Takes all ways out away, those of an earlier setting too.</summary>
    private async Task CloseAsync(CancellationToken cancel)
    {
        foreach (var table in FirewallRules.WayOutTables)
        {
            var there = await RunAsync($"iptables{_kind}", [.. Waiting, "-t", table, "-S"], cancel);
            // No word of such a rule has a blank in it, so its quotes say nothing.
            foreach (var words in there.Output.Replace("\"", "", StringComparison.Ordinal).Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            {
                if (words is ["-A", var chain, .. var rule] && rule.Any(w => w.StartsWith(rules.WayOutMark, StringComparison.Ordinal)))
                    await RunAsync($"iptables{_kind}", new FirewallRule(chain, rule, table).Arguments("-D"), cancel);
            }
        }
    }

    /// <summary>True where it was missing.</summary>
    private async Task<bool> EnsureAsync(FirewallRule rule, CancellationToken cancel)
    {
        var tool = $"{rule.Tool}{_kind}";
        // Without the engine's own chain for such rules, the one that it is called from.
        foreach (var chain in rule.Chain == FirewallRules.Forwarded ? [rule.Chain, "FORWARD"] : (string[])[rule.Chain])
        {
            if ((await RunAsync(tool, rule.Arguments("-C", chain), cancel)).Well) return false;
            var made = await RunAsync(tool, rule.Arguments("-I", chain), cancel);
            if (made.Well) return true;
            // The same words stand for a missing match: then the next chain fails too, and says so.
            var noChain = made.Complaint.Contains("No chain/target/match", StringComparison.OrdinalIgnoreCase);
            if (chain != FirewallRules.Forwarded || !noChain) throw Refused(made.InOneLine, null);
        }

        throw Refused($"iptables has no chain {rule.Chain}", null);
    }

    /// <summary>False where the kernel was started without IPv6: then there is nothing to close, and no table of it.</summary>
    private static bool KnowsSix => File.Exists("/proc/net/if_inet6");

    /// <summary>What the programs' names end with. Debian's iptables speaks nftables; a kernel without it may still have the older tables.</summary>
    private async Task<string> KindAsync(CancellationToken cancel)
    {
        string[] look = [.. Waiting, "-S", "INPUT"];
        var usual = await RunAsync("iptables", look, cancel);
        if (usual.Well) return "";
        var older = File.Exists("/usr/sbin/iptables-legacy") && (await RunAsync("iptables-legacy", look, cancel)).Well;
        return older ? "-legacy" : throw Refused(usual.InOneLine, null);
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
