using System.Globalization;
using System.Text.Json.Nodes;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>What one generation of a workspace needs of the cloud.</summary>
/// <param name="Subnet">CIDR.</param>
internal sealed record StackWish(StackKey Key, string Subnet, IReadOnlyList<ServerWish> Servers)
{
    /// <summary>CIDR from which the ports are reached.</summary>
    public required string Portal { get; init; }

    /// <summary>TCP ports that are open to the portal.</summary>
    public required IReadOnlyList<(int First, int Last)> Ports { get; init; }

    /// <summary>Router of the workspace's network; empty for none.</summary>
    public string Router { get; init; } = "";

    /// <summary>Id of the server image.</summary>
    public required string Image { get; init; }

    /// <summary>Maximum time from a server's creation to its signal.</summary>
    public required TimeSpan BootLimit { get; init; }
}

/// <param name="Name">The server's own name.</param>
/// <param name="Address">Its fixed IPv4 address.</param>
/// <param name="Metadata">Of the server, beside its state.</param>
internal sealed record ServerWish(string Node, string Name, string Flavor, string Address, Script Script, IReadOnlyDictionary<string, string> Metadata);

/// <summary>
/// Heat templates (HOT), as JSON: pure and in a fixed order, so that the same wish always gives the same text. Heat pauses for a second after each
/// resource that depends on nothing, and at deletion after each on which nothing depends: so there is one first and one last, and all others are
/// between them.
/// </summary>
internal static class StackTemplate
{
    private const string Version = "2021-04-16"; // of the Wallaby release

    /// <param name="stored">The template of the stack as it is; null if there is none.</param>
    /// <param name="keeps">Servers that are there stay as they are, even if they differ: they are in use.</param>
    public static JsonObject Of(StackWish wish, JsonObject? stored = null, bool keeps = false)
    {
        var template = Shell(wish);
        var (resources, outputs) = (template["resources"]!.AsObject(), template["outputs"]!.AsObject());
        foreach (var server in wish.Servers)
        {
            if (keeps && Keep(server.Node, stored, resources, outputs)) continue;
            Add(wish, server, resources, outputs);
        }
        return Closed(template);
    }

    /// <summary>A stack's template without some of its servers, their ports and what waits for them; network and addresses stay.</summary>
    /// <param name="nodes">Null for all.</param>
    public static JsonObject Without(JsonObject stored, IReadOnlyCollection<string>? nodes = null)
    {
        var template = stored.DeepClone().AsObject();
        foreach (var part in new[] { template["resources"], template["outputs"] }.OfType<JsonObject>())
        {
            foreach (var name in part.Select(p => p.Key).ToList())
                if (StackParts.Of(name).Node is { Length: > 0 } node && nodes?.Contains(node, StringComparer.Ordinal) is null or true) part.Remove(name);
        }
        return Closed(template);
    }

    /// <summary>The addresses that a template gives to its nodes.</summary>
    public static IReadOnlyDictionary<string, string> AddressesOf(JsonObject? stored) => (stored?["resources"] as JsonObject ?? [])
        .Select(r => (Name: StackParts.Of(r.Key), Address: TextAt(r.Value, "properties", "fixed_ips", "0", "ip_address")))
        .Where(r => r.Name is { Kind: StackParts.Port, Node.Length: > 0 } && r.Address is not null)
        .ToDictionary(r => r.Name.Node, r => r.Address!, StringComparer.Ordinal);

    /// <summary>The nodes that have a server in a template.</summary>
    public static IReadOnlyList<string> NodesOf(JsonObject? stored) =>
        [.. (stored?["resources"] as JsonObject ?? []).Select(r => StackParts.Of(r.Key)).Where(p => p.Kind == StackParts.Server).Select(p => p.Node)];

    /// <summary>Hash of what a server is made from; another one means another server.</summary>
    public static string StateOf(StackWish wish, ServerWish server) => StackParts.HashOf(new JsonArray(
        wish.Subnet, wish.Image, server.Name, server.Flavor, server.Address, server.Script.Before, server.Script.After))[..16];

    private static JsonObject Shell(StackWish wish)
    {
        var rules = new JsonArray([.. wish.Ports.Select(p => (JsonNode)new JsonObject
        {
            ["protocol"] = "tcp",
            ["port_range_min"] = p.First,
            ["port_range_max"] = p.Last,
            ["remote_ip_prefix"] = wish.Portal,
        }), new JsonObject { ["remote_mode"] = "remote_group_id" }]);
        var resources = new JsonObject
        {
            [StackParts.First] = new JsonObject { ["type"] = "OS::Heat::None" },
            [StackParts.Network] = Resource("OS::Neutron::Net", []),
            [StackParts.Subnet] = Resource("OS::Neutron::Subnet", new()
            {
                ["network"] = Get(StackParts.Network),
                ["cidr"] = wish.Subnet,
                ["enable_dhcp"] = false,
                ["dns_nameservers"] = new JsonArray(),
            }),
            [StackParts.Rules] = Resource("OS::Neutron::SecurityGroup", new() { ["rules"] = rules }),
        };
        if (wish.Router.Length > 0)
            resources[StackParts.Gateway] = Resource("OS::Neutron::RouterInterface", new() { ["router"] = wish.Router, ["subnet"] = Get(StackParts.Subnet) });
        return new()
        {
            ["heat_template_version"] = Version,
            ["description"] = string.Create(CultureInfo.InvariantCulture,
                $"Generation {wish.Key.Generation} of the workspace {wish.Key.Workspace:n}. The portal makes, changes and deletes it."),
            ["resources"] = resources,
            ["outputs"] = new JsonObject(),
        };
    }

    private static void Add(StackWish wish, ServerWish server, JsonObject resources, JsonObject outputs)
    {
        var state = StateOf(wish, server);
        var (port, machine) = (StackParts.PortOf(server.Node), StackParts.ServerOf(server.Node));
        var (handle, ready) = (StackParts.HandleOf(server.Node, state), StackParts.ReadyOf(server.Node, state));
        var metadata = new JsonObject();
        foreach (var (name, value) in server.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal)) metadata[name] = value;
        metadata[HeatNames.State] = state;
        string[] routed = wish.Router.Length > 0 ? [StackParts.Gateway] : [];
        resources[port] = Resource("OS::Neutron::Port", new()
        {
            ["network"] = Get(StackParts.Network),
            ["fixed_ips"] = new JsonArray(new JsonObject { ["subnet"] = Get(StackParts.Subnet), ["ip_address"] = server.Address }),
            ["security_groups"] = new JsonArray(Get(StackParts.Rules)),
        });
        resources[handle] = Resource("OS::Heat::WaitConditionHandle", []);
        resources[machine] = Resource("OS::Nova::Server", new()
        {
            ["name"] = server.Name,
            ["image"] = wish.Image,
            ["image_update_policy"] = "REPLACE",
            ["flavor"] = server.Flavor,
            ["flavor_update_policy"] = "REPLACE",
            ["networks"] = new JsonArray(new JsonObject { ["port"] = Get(port) }),
            ["metadata"] = metadata,
            ["config_drive"] = true, // without DHCP it is where a server learns its address
            ["user_data_format"] = "RAW",
            // Joined and not replaced in: then no value of ours can be taken for the place of the signal.
            ["user_data"] = new JsonObject
            {
                ["list_join"] = new JsonArray("", new JsonArray(server.Script.Before,
                    new JsonObject { ["get_attr"] = new JsonArray(handle, "curl_cli") }, server.Script.After)),
            },
        }, routed);
        resources[ready] = Resource("OS::Heat::WaitCondition",
            new() { ["handle"] = Get(handle), ["timeout"] = (int)wish.BootLimit.TotalSeconds }, machine);
        outputs[StackParts.AddressOf(server.Node)] =
            new JsonObject { ["value"] = new JsonObject { ["get_attr"] = new JsonArray(port, "fixed_ips", 0, "ip_address") } };
        outputs[StackParts.DataOf(server.Node)] = new JsonObject { ["value"] = new JsonObject { ["get_attr"] = new JsonArray(ready, "data") } };
    }

    /// <summary>Copies what a node has in the stored template; false if it has no server there.</summary>
    private static bool Keep(string node, JsonObject? stored, JsonObject resources, JsonObject outputs)
    {
        if (!NodesOf(stored).Contains(node, StringComparer.Ordinal)) return false;
        foreach (var (from, to) in new[] { (stored!["resources"] as JsonObject, resources), (stored["outputs"] as JsonObject, outputs) })
            foreach (var (name, value) in from ?? [])
                if (StackParts.Of(name).Node == node) to[name] = value?.DeepClone();
        return true;
    }

    /// <summary>Ends with the one that depends on all others.</summary>
    private static JsonObject Closed(JsonObject template)
    {
        if (template["resources"] is not JsonObject resources) return template;
        resources.Remove(StackParts.Last);
        resources[StackParts.Last] = new JsonObject
        {
            ["type"] = "OS::Heat::None",
            ["depends_on"] = new JsonArray([.. resources.Select(r => r.Key).Order(StringComparer.Ordinal).Select(n => (JsonNode)n)]),
        };
        return template;
    }

    private static JsonObject Resource(string type, JsonObject properties, params string[] after)
    {
        var resource = new JsonObject
        {
            ["type"] = type,
            ["depends_on"] = new JsonArray([.. after.Prepend(StackParts.First).Select(n => (JsonNode)n)]),
        };
        if (properties.Count > 0) resource["properties"] = properties;
        return resource;
    }

    private static JsonObject Get(string resource) => new() { ["get_resource"] = resource };

    private static string? TextAt(JsonNode? json, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            json = json switch
            {
                JsonObject many => many[name],
                JsonArray list when int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at < list.Count => list[at],
                _ => null,
            };
        }
        return json is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
    }
}
