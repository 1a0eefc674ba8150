using System.Globalization;
using System.Net;
using System.Numerics;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Address ranges that something else uses: the host's routes and the container engine's other networks.</summary>
public sealed class HostRanges(Networks networks, Owned owned)
{
    /// <summary>CIDR each; networks of our own workspaces are excluded, because rows record them.</summary>
    public async Task<IReadOnlyList<string>> ReadAsync(CancellationToken cancel)
    {
        var others = (await networks.ListAsync(null, cancel))
            .Where(n => n.Labels is null
                || !n.Labels.TryGetValue(Owned.Installation, out var id)
                || id != owned.Id
                || Owned.WorkspaceOf(n.Labels) == Guid.Empty)
            .SelectMany(n => n.IPAM?.Config ?? []).Select(c => c.Subnet).Where(s => s is { Length: > 0 } && s.Contains('.', StringComparison.Ordinal));
        var routes = File.Exists("/proc/net/route") ? Routes(await File.ReadAllLinesAsync("/proc/net/route", cancel), owned.BridgePrefix) : [];
        return [.. routes.Concat(others).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>The kernel's route table: interface, destination, gateway, flags, …, mask;
    /// addresses in host byte order. The default route is not a range.</summary>
    public static IEnumerable<string> Routes(IEnumerable<string> table, string ownBridges)
    {
        foreach (var line in table.Skip(1))
        {
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 7 && !words[0].StartsWith(ownBridges, StringComparison.Ordinal)
                && uint.TryParse(words[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var address)
                && uint.TryParse(words[7], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var mask) && mask != 0)
            {
                yield return string.Create(CultureInfo.InvariantCulture, $"{new IPAddress(address)}/{BitOperations.PopCount(mask)}");
            }
        }
    }
}
