using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>Generated templates, and what goes into them.</summary>
public sealed class StackTemplateTests
{
    private static readonly StackKey Key = new(Guid.Parse("0190a6d2-7d0c-7b4e-9d3c-5a0c4e6f1a2b"), 3);

    [Fact]
    public void Template_HasOneFirstAndOneLast_AndEverythingElseBetween()
    {
        var resources = StackTemplate.Of(Wish("notebook", "worker0", "worker1"))["resources"]!.AsObject();

        resources.Where(r => DependsOn(r.Value!).Count == 0).Select(r => r.Key).ShouldBe(["first"]);
        resources.Where(r => r.Key is not ("first" or "last")).ShouldAllBe(r => DependsOn(r.Value!).Contains("first"));
        DependsOn(resources["last"]!).ShouldBe([.. resources.Select(r => r.Key).Where(n => n != "last").Order(StringComparer.Ordinal)]);
        resources.Last().Key.ShouldBe("last");
        foreach (var node in (string[])["notebook", "worker0", "worker1"])
        {
            resources.Count(r => StackParts.Of(r.Key).Node == node).ShouldBe(4);
            DependsOn(resources.Single(r => StackParts.Of(r.Key) == ("ready", node)).Value!).ShouldContain($"server-{node}");
        }
    }

    [Fact]
    public void Template_IsAsWritten()
    {
        var template = StackTemplate.Of(Wish("notebook"));
        var state = StackTemplate.StateOf(Wish("notebook"), Wish("notebook").Servers[0]);

        var resources = template["resources"]!;
        resources["subnet"]!["properties"]!.ToJsonString().ShouldBe(
            """{"network":{"get_resource":"net"},"cidr":"10.9.0.32/27","enable_dhcp":false,"dns_nameservers":[]}""");
        resources["rules"]!["properties"]!.ToJsonString().ShouldBe("""
            {"rules":[{"protocol":"tcp","port_range_min":2376,"port_range_max":2376,"remote_ip_prefix":"192.0.2.7/32"},
            {"protocol":"tcp","port_range_min":8000,"port_range_max":9999,"remote_ip_prefix":"192.0.2.7/32"},{"remote_mode":"remote_group_id"}]}
            """.ReplaceLineEndings(""));
        resources["port-notebook"]!["properties"]!.ToJsonString().ShouldBe("""
            {"network":{"get_resource":"net"},"fixed_ips":[{"subnet":{"get_resource":"subnet"},"ip_address":"10.9.0.37"}],
            "security_groups":[{"get_resource":"rules"}]}
            """.ReplaceLineEndings(""));
        resources["server-notebook"]!["properties"]!.ToJsonString().ShouldBe($$$"""
            {"name":"portal-notebook","image":"6f0d","image_update_policy":"REPLACE","flavor":"portal-1","flavor_update_policy":"REPLACE",
            "networks":[{"port":{"get_resource":"port-notebook"}}],"metadata":{"portal_node":"notebook","portal_state":"{{{state}}}"},"config_drive":true,
            "user_data_format":"RAW","user_data":{"list_join":["",["before",{"get_attr":["handle-notebook-{{{state[..8]}}}","curl_cli"]},"after"]]}}
            """.ReplaceLineEndings(""));
        resources[$"ready-notebook-{state[..8]}"]!["properties"]!.ToJsonString().ShouldBe(
            $$$"""{"handle":{"get_resource":"handle-notebook-{{{state[..8]}}}"},"timeout":600}""");
        template["outputs"]!.ToJsonString().ShouldBe($$$$"""
            {"address-notebook":{"value":{"get_attr":["port-notebook","fixed_ips",0,"ip_address"]}},
            "data-notebook":{"value":{"get_attr":["ready-notebook-{{{{state[..8]}}}}","data"]}}}
            """.ReplaceLineEndings(""));
    }

    [Fact]
    public void Template_OfTheSameWish_IsTheSameText_AndItsHashIgnoresOrder()
    {
        StackTemplate.Of(Wish("notebook", "worker0")).ToJsonString().ShouldBe(StackTemplate.Of(Wish("notebook", "worker0")).ToJsonString());
        var template = StackTemplate.Of(Wish("notebook"));
        var turned = new JsonObject(template.Reverse().Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));

        StackParts.HashOf(JsonNode.Parse(turned.ToJsonString())).ShouldBe(StackParts.HashOf(template));
        template["resources"]!["subnet"]!["properties"]!["enable_dhcp"] = true;
        StackParts.HashOf(template).ShouldNotBe(StackParts.HashOf(turned));
    }

    [Fact]
    public void Server_MadeFromSomethingElse_WaitsForASignalOfItsOwn()
    {
        var (one, other) = (Wish("notebook"), Wish("notebook"));
        other = other with { Servers = [other.Servers[0] with { Flavor = "portal-2" }] };

        Names(StackTemplate.Of(one), "ready").ShouldNotBe(Names(StackTemplate.Of(other), "ready"));
        Names(StackTemplate.Of(one), "server").ShouldBe(Names(StackTemplate.Of(other), "server"));
    }

    [Fact]
    public void Template_WithoutServers_KeepsTheNetworkAlone()
    {
        var stored = JsonNode.Parse(StackTemplate.Of(Wish("notebook", "worker0") with { Router = "uplink" }).ToJsonString())!.AsObject();

        var empty = StackTemplate.Without(stored);

        empty["resources"]!.AsObject().Select(r => r.Key).ShouldBe(["first", "net", "subnet", "rules", "gateway", "last"]);
        DependsOn(empty["resources"]!["last"]!).ShouldBe(["first", "gateway", "net", "rules", "subnet"]);
        empty["outputs"]!.AsObject().ShouldBeEmpty();
        StackTemplate.NodesOf(stored).ShouldBe(["notebook", "worker0"], "the given one is not changed");
    }

    [Fact]
    public void Template_WithoutOneServer_LeavesTheOthersAsTheyAre()
    {
        var stored = StackTemplate.Of(Wish("notebook", "worker0", "worker1"));

        var smaller = StackTemplate.Without(stored, ["worker0"]);

        StackTemplate.NodesOf(smaller).ShouldBe(["notebook", "worker1"]);
        foreach (var (name, value) in smaller["resources"]!.AsObject().Where(r => r.Key != "last"))
            value!.ToJsonString().ShouldBe(stored["resources"]![name]!.ToJsonString());
        StackParts.HashOf(StackTemplate.Of(Wish(StackTemplate.AddressesOf(smaller), "notebook", "worker1"), smaller)).ShouldBe(StackParts.HashOf(smaller));
    }

    [Fact]
    public void Template_ThatKeepsWhatIsThere_AddsOnlyWhatIsMissing()
    {
        var stored = StackTemplate.Of(Wish("notebook"));
        var wish = Wish("notebook", "worker0");
        wish = wish with { Servers = [.. wish.Servers.Select(s => s with { Script = new("another", "version") })] };

        var kept = StackTemplate.Of(wish, stored, keeps: true);

        foreach (var (name, value) in stored["resources"]!.AsObject().Where(r => r.Key != "last"))
            kept["resources"]![name]!.ToJsonString().ShouldBe(value!.ToJsonString());
        StackTemplate.NodesOf(kept).ShouldBe(["notebook", "worker0"]);
        StackTemplate.Of(wish, stored)["resources"]!["server-notebook"]!.ToJsonString().ShouldNotBe(stored["resources"]!["server-notebook"]!.ToJsonString());
    }

    [Fact]
    public void Addresses_AreKept_AndGivenAwayFromTheLowestFreeOne()
    {
        var kept = new Dictionary<string, string> { ["notebook"] = "10.9.0.37", ["worker1"] = "10.9.0.39", ["gone"] = "10.9.0.38" };

        StackParts.AddressesOf("10.9.0.32/27", ["notebook", "worker0", "worker1"], kept)
            .ShouldBe(new Dictionary<string, string> { ["notebook"] = "10.9.0.37", ["worker0"] = "10.9.0.40", ["worker1"] = "10.9.0.39" }, ignoreOrder: true);
        StackParts.AddressesOf("10.9.1.0/27", ["notebook"], kept)["notebook"].ShouldBe("10.9.1.5", "an address of another network is none");
        var all = StackParts.AddressesOf("10.9.0.32/27", [.. Enumerable.Range(0, 26).Select(i => $"worker{i}")], new Dictionary<string, string>());
        all["worker25"].ShouldBe("10.9.0.62", "the last one is for broadcasts");
        Should.Throw<ArgumentException>(() =>
            StackParts.AddressesOf("10.9.0.32/27", [.. Enumerable.Range(0, 27).Select(i => $"w{i}")], new Dictionary<string, string>()));
    }

    [Theory]
    [InlineData("ready-worker-0-0a1b2c3d", "ready", "worker-0")]
    [InlineData("ready-a-deadbeef-0a1b2c3d", "ready", "a-deadbeef")]
    [InlineData("server-worker-0", "server", "worker-0")]
    [InlineData("portal-t123456789-x-g1", "portal-t123456789-x-g1", "")]
    [InlineData("net", "net", "")]
    public void Parts_AreFoundByName(string name, string kind, string node) => StackParts.Of(name).ShouldBe((kind, node));

    [Theory]
    [InlineData(0.5, 512, "portal-1")]
    [InlineData(1, 1536, "portal-1")]
    [InlineData(1, 1537, "portal-2")]
    [InlineData(1.5, 512, "portal-2")]
    [InlineData(4, 7000, "portal-4")]
    public void Flavor_IsTheSmallestThatHoldsNodeAndServer(double vcpus, long memory, string flavor) =>
        ServerPlans.FlavorOf(Machines, Node(vcpus, memory)).Name.ShouldBe(flavor);

    [Fact]
    public void Flavor_ThatIsMissing_IsRefusedWithWhatIsLacking()
    {
        Should.Throw<CloudException>(() => ServerPlans.FlavorOf(Machines, Node(1, 8000))).Message.ShouldContain("no flavor has 8000 MiB");
        Should.Throw<CloudException>(() => ServerPlans.FlavorOf(Machines, Node(4.5, 512))).Message.ShouldContain("no flavor has 5 vCPU");
    }

    private static Machines Machines => new([new("portal-4", 4, 8192), new("portal-2", 2, 4096), new("portal-1", 1, 2048)], 512);

    private static NodePlan Node(double vcpus, long memory) =>
        new("notebook", "notebook", "", 70_000, [], new Dictionary<string, string>(), new Dictionary<string, string>(), [], memory, vcpus);

    private static StackWish Wish(params string[] nodes) => Wish(new Dictionary<string, string>(), nodes);

    private static StackWish Wish(IReadOnlyDictionary<string, string> addresses, params string[] nodes)
    {
        var all = StackParts.AddressesOf("10.9.0.32/27", nodes, addresses);
        return new(Key, "10.9.0.32/27", [.. nodes.Select(n => new ServerWish(n, $"portal-{n}", "portal-1", all[n], new("before", "after"),
            new Dictionary<string, string> { ["portal_node"] = n }))])
        {
            Portal = "192.0.2.7/32",
            Ports = [(2376, 2376), (8000, 9999)],
            Image = "6f0d",
            BootLimit = TimeSpan.FromMinutes(10),
        };
    }

    private static List<string> DependsOn(JsonNode resource) => [.. (resource["depends_on"] as JsonArray ?? []).Select(n => n!.GetValue<string>())];

    private static List<string> Names(JsonObject template, string kind) =>
        [.. template["resources"]!.AsObject().Select(r => r.Key).Where(n => StackParts.Of(n).Kind == kind)];
}
