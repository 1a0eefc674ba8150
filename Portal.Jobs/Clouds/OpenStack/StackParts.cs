using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// Names of what is in a stack. Handle and wait condition of a node carry a hash of its server: another server must not be taken for ready because
/// the one before it was.
/// </summary>
internal static class StackParts
{
    public const string First = "first", Last = "last", Network = "net", Subnet = "subnet", Rules = "rules", Gateway = "gateway";
    public const string Port = "port", Server = "server", Handle = "handle", Ready = "ready", Address = "address", Data = "data";
    private const int ShortHash = 8;

    public static string PortOf(string node) => $"{Port}-{node}";

    public static string ServerOf(string node) => $"{Server}-{node}";

    public static string HandleOf(string node, string state) => $"{Handle}-{node}-{state[..ShortHash]}";

    public static string ReadyOf(string node, string state) => $"{Ready}-{node}-{state[..ShortHash]}";

    public static string AddressOf(string node) => $"{Address}-{node}";

    public static string DataOf(string node) => $"{Data}-{node}";

    /// <summary>What a resource or output is, and of which node; the node is empty for what belongs to the whole workspace.</summary>
    public static (string Kind, string Node) Of(string name)
    {
        var at = name.IndexOf('-', StringComparison.Ordinal);
        if (at < 0) return (name, "");
        var (kind, node) = (name[..at], name[(at + 1)..]);
        return kind switch
        {
            Port or Server or Address or Data => (kind, node),
            Handle or Ready when node.Length > ShortHash + 1 && node[^(ShortHash + 1)] == '-' => (kind, node[..^(ShortHash + 1)]),
            _ => (name, ""),
        };
    }

    /// <summary>Hash of a JSON value, whatever the order of names in it.</summary>
    public static string HashOf(JsonNode? json)
    {
        var text = new StringBuilder();
        Write(json, text);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..32];
    }

    /// <summary>
    /// Addresses of nodes: those that have one keep it, others get the lowest that is free. The first ones belong to the cloud: router, DHCP.
    /// </summary>
    /// <param name="subnet">CIDR of at most 1024 addresses.</param>
    public static IReadOnlyDictionary<string, string> AddressesOf(string subnet, IReadOnlyList<string> nodes, IReadOnlyDictionary<string, string> kept)
    {
        const int clouds = 5;
        var network = IPNetwork.Parse(subnet);
        var count = 1 << (32 - network.PrefixLength);
        var first = network.BaseAddress.GetAddressBytes();
        var all = nodes.Where(n => kept.TryGetValue(n, out var a) && IPAddress.TryParse(a, out var address) && network.Contains(address))
            .ToDictionary(n => n, n => kept[n], StringComparer.Ordinal);
        // Of removed nodes too: their ports may still hold them.
        var taken = kept.Values.ToHashSet(StringComparer.Ordinal);
        var free = new Queue<string>(Enumerable.Range(clouds, Math.Max(0, count - clouds - 1)).Select(At).Where(a => !taken.Contains(a)));
        foreach (var node in nodes.Where(n => !all.ContainsKey(n)))
            all[node] = free.TryDequeue(out var next) ? next
                : throw new ArgumentException($"{subnet} has too few addresses for {nodes.Count} nodes", nameof(nodes));
        return all;

        string At(int offset)
        {
            var value = ((uint)first[0] << 24 | (uint)first[1] << 16 | (uint)first[2] << 8 | first[3]) + (uint)offset;
            return string.Create(CultureInfo.InvariantCulture, $"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}");
        }
    }

    private static void Write(JsonNode? json, StringBuilder text)
    {
        switch (json)
        {
            case JsonObject many:
                text.Append('{');
                foreach (var (name, value) in many.OrderBy(m => m.Key, StringComparer.Ordinal))
                {
                    text.Append(JsonValue.Create(name).ToJsonString()).Append(':');
                    Write(value, text);
                    text.Append(',');
                }
                text.Append('}');
                break;
            case JsonArray list:
                text.Append('[');
                foreach (var value in list)
                {
                    Write(value, text);
                    text.Append(',');
                }
                text.Append(']');
                break;
            default:
                text.Append(json?.ToJsonString() ?? "null");
                break;
        }
    }
}
