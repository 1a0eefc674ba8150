using System.Text;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// The host's firewall rules that isolate containers from everything but each other on their own bridge, and allow the egress proxy if there is one.
/// A bridge without masquerade still lets a container reach services on the host, and other bridges through it.
/// A reset of the installation deletes every rule that contains the prefix of its bridges. Drop rules are final, whether it is legacy or nft that
/// the container engine itself uses.
/// </summary>
public sealed class Firewall(FirewallRules rules, TimeProvider time)
{
    /// <summary>Other programs change rules too: seconds to wait for their lock.</summary>
    internal static readonly string[] Waiting = ["-w", "10"];
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);
    private string? _kind;
    private bool _opened;

    /// <summary>Our rules, as the host listed them before and after all were found one by one; null if any was missing then.</summary>
    private string? _complete;

    /// <summary>Inserts what is missing; safe in any number of processes. Throws
    /// <see cref="CloudFault.Refused"/> with the reason if no firewall is usable.</summary>
    public async Task EnsureAsync(CancellationToken cancel)
    {
        _kind ??= await KindAsync(cancel);
        // One listing instead of a program for each rule: this is done for every launch, and every few seconds.
        var listed = await ListAsync(cancel);
        if (_complete == listed) return;
        _complete = null;
        var isolationAdded = false;
        foreach (var rule in rules.IsolationRules.Where(r => !r.Six || KnowsSix)) isolationAdded |= await EnsureAsync(rule, cancel);
        // The drop rules are inserted before the egress proxy's exceptions, even if a process dies before it gets to those.
        if (isolationAdded || !_opened) await CloseAsync(cancel);
        var egressAdded = false;
        foreach (var rule in rules.EgressRules) egressAdded |= await EnsureAsync(rule, cancel);
        _opened = true;
        // Listed again: a rule that another launch inserted meanwhile was found, but is not in the first listing.
        if (!isolationAdded && !egressAdded && await ListAsync(cancel) == listed) _complete = listed;
    }

    /// <summary>The rules of this installation in all tables, in their order.</summary>
    private async Task<string> ListAsync(CancellationToken cancel)
    {
        var ours = new StringBuilder();
        foreach (var tool in KnowsSix ? ["iptables", "ip6tables"] : (string[])["iptables"])
        {
            var all = await RunAsync($"{tool}{_kind}-save", [], cancel);
            if (!all.Well) throw Refused(all.InOneLine, null);
            foreach (var line in all.Output.Split('\n'))
                if (line.StartsWith("-A ", StringComparison.Ordinal) && rules.IsOurs(line)) ours.Append(tool).Append(' ').AppendLine(line);
        }
        return ours.ToString();
    }

    /// <summary>Removes all egress proxy rules, including those of an earlier setting.</summary>
    private async Task CloseAsync(CancellationToken cancel)
    {
        foreach (var table in FirewallRules.EgressTables)
        {
            var there = await RunAsync($"iptables{_kind}", [.. Waiting, "-t", table, "-S"], cancel);
            // No argument of such a rule contains a blank, so its quotes can be dropped.
            foreach (var words in there.Output
                .Replace("\"", "", StringComparison.Ordinal)
                .Split('\n')
                .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            {
                if (words is ["-A", var chain, .. var rule] && rule.Any(w => w.StartsWith(rules.EgressMark, StringComparison.Ordinal)))
                    await RunAsync($"iptables{_kind}", new FirewallRule(chain, rule, table).Arguments("-D"), cancel);
            }
        }
    }

    /// <summary>Inserts one rule; true if it was missing.</summary>
    private async Task<bool> EnsureAsync(FirewallRule rule, CancellationToken cancel)
    {
        var tool = $"{rule.Tool}{_kind}";
        // If the container engine's chain for such rules is missing, use the chain that calls it.
        foreach (var chain in rule.Chain == FirewallRules.Forwarded ? [rule.Chain, "FORWARD"] : (string[])[rule.Chain])
        {
            if ((await RunAsync(tool, rule.Arguments("-C", chain), cancel)).Well) return false;
            var made = await RunAsync(tool, rule.Arguments("-I", chain), cancel);
            if (made.Well) return true;
            // A missing match causes the same message: then the next chain fails too, and reports it.
            var noChain = made.Complaint.Contains("No chain/target/match", StringComparison.OrdinalIgnoreCase);
            if (chain != FirewallRules.Forwarded || !noChain) throw Refused(made.InOneLine, null);
        }

        throw Refused($"iptables has no chain {rule.Chain}", null);
    }

    /// <summary>False if the kernel was started without IPv6: then there is nothing to close, and no such table.</summary>
    private static bool KnowsSix => File.Exists("/proc/net/if_inet6");

    /// <summary>Suffix of the programs' names. Debian's iptables uses nftables; a kernel without it may still have the legacy tables.</summary>
    private async Task<string> KindAsync(CancellationToken cancel)
    {
        string[] look = [.. Waiting, "-S", "INPUT"];
        var usual = await RunAsync("iptables", look, cancel);
        if (usual.Well) return "";
        var older = File.Exists("/usr/sbin/iptables-legacy") && (await RunAsync("iptables-legacy", look, cancel)).Well;
        return older ? "-legacy" : throw Refused(usual.InOneLine, null);
    }

    private async Task<Tool.Result> RunAsync(string tool, IEnumerable<string> arguments, CancellationToken cancel)
    {
        try
        {
            return await Tool.RunAsync(ContainerEngineFaults.Service, tool, arguments, Limit, time, cancel);
        }
        catch (CloudException e) when (e.Fault == CloudFault.Refused)
        {
            throw Refused("iptables is not installed", e);
        }
    }

    private static CloudException Refused(string message, Exception? cause) =>
        ContainerEngineFaults.Make(CloudFault.Refused, $"the host's firewall cannot be set: {message}",
        "Install iptables and run Portal.Jobs as root: without these rules containers could reach the host, so nothing is launched.", cause);
}
