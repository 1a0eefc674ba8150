using System.Net;

namespace Portal.TestKit.Clouds;

/// <summary>The host's own table of connections, as its kernel shows it.</summary>
public static class ConnectionTable
{
    /// <summary>Entries that somebody in a network began.</summary>
    /// <param name="port">Only those to this port; null for all.</param>
    public static int Count(string subnet, int? port = null)
    {
        var network = IPNetwork.Parse(subnet);
        return File.ReadLines("/proc/net/nf_conntrack").Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Count(words =>
            // Each entry names both directions, that of whoever began first.
            network.Contains(IPAddress.Parse(words.First(w => w.StartsWith("src=", StringComparison.Ordinal))["src=".Length..]))
            && (port is null || words.First(w => w.StartsWith("dport=", StringComparison.Ordinal)) == $"dport={port}"));
    }
}
