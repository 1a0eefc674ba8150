using System.Net;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Neutron's calls that the portal needs, in one project.</summary>
internal sealed class Neutron(ServiceClient networks)
{
    /// <summary>Ranges (CIDR) of every IPv4 subnet that the project sees, shared and external ones included.</summary>
    public async Task<IReadOnlyList<string>> RangesAsync(CancellationToken cancel) =>
    [
        .. (await HeatPages.AllAsync(networks, "v2.0/subnets", "&fields=id&fields=cidr", "subnets", "subnets_links", cancel))
            .Select(s => ForeignJson.Text(s, "cidr") ?? "")
            .Where(c => IPNetwork.TryParse(c, out var range) && range.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
            .Distinct(StringComparer.Ordinal),
    ];
}
