using System.Net;

namespace Portal.TestKit.Clouds;

/// <summary>The host's connection table, as its kernel shows it.</summary>
public static class ConnectionTable
{
    /// <summary>Entries that a node of a workspace began. The first address of its network is the host's own.</summary>
    /// <param name="port">Only those to this port; null for all.</param>
    public static int Count(string subnet, int? port = null)
    {
        var network = IPNetwork.Parse(subnet);
        var host = network.BaseAddress.GetAddressBytes();
        host[3]++;
        return File.ReadLines("/proc/net/nf_conntrack").Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Count(words =>
            // Each entry names both directions, the initiator's first.
            IPAddress.TryParse(words.First(w => w.StartsWith("src=", StringComparison.Ordinal))["src=".Length..], out var source)
            && network.Contains(source) && !source.Equals(new IPAddress(host))
            && (port is null || words.FirstOrDefault(w => w.StartsWith("dport=", StringComparison.Ordinal)) == $"dport={port}"));
    }
}
