using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>How servers are taken out of a stack, how it is deleted, and what a look shows.</summary>
public sealed class StackReleaseTests : RecordedStackTest
{
    [Fact]
    public async Task RemoveServers_SeesThemOffBeforeTheyGo()
    {
        await MadeAsync();
        Stopped();
        Cloud.On($"POST {Nova}/servers/v1/action", 202, "");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The server is shutting down.");
        Changes().ShouldBe([$"POST {Nova}/servers/v1/action"]);

        Stopped(TimeSpan.FromSeconds(5));
        Servers[0] = Server("ACTIVE", "powering-off");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes().Count.ShouldBe(1, "it is not asked twice");

        Servers[0] = Server("SHUTOFF");
        await NextTickAsync();
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The servers are being removed.");
        Changes()[1..].ShouldBe(["POST /heat/v1/p1/validate", $"PUT {One}"]);
        var put = JsonNode.Parse(Cloud.Requests.Last(r => r.Method == "PUT").Body)!;
        put["template"]!["resources"]!.AsObject().Select(r => r.Key).ShouldBe(["first", "net", "subnet", "rules", "last"]);
        put["tags"]!.GetValue<string>().ShouldBe($"portal,t123456789,{Workspace:n}");

        Template(put["template"]!.AsObject());
        Rows[0] = Stack("s1", "UPDATE_IN_PROGRESS");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Rows[0] = Stack("s1", "UPDATE_COMPLETE");
        Servers.Clear();
        await NextTickAsync();
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Done>();
    }

    [Fact]
    public async Task RemoveServers_OfOneThatDoesNotShutDown_IsReportedAndTakesNothingAway()
    {
        await MadeAsync();
        Stopped(TimeSpan.FromMinutes(4), TimeSpan.FromSeconds(1));
        Servers[0] = Server("ACTIVE", "powering-off");

        var broken = (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Broken>();

        broken.Cause.ShouldContain("was asked to shut down 4 minutes ago, and is still ACTIVE");
        broken.Remedy.ShouldContain("Nothing was removed");
        Changes().ShouldBeEmpty();
    }

    [Fact]
    public async Task RemoveServers_WhoseUpdateFailed_RepeatsItThreeTimes()
    {
        var template = await MadeAsync();
        Template(StackTemplate.Without(template));
        Servers[0] = Server("SHUTOFF");
        Rows[0] = Stack("s1", "UPDATE_FAILED");
        Resources(("server-notebook", "DELETE_FAILED", "ResourceInError: resources.server-notebook: Went to status ERROR"));
        ById("id-of-server-notebook", Servers[0]);
        Failed(2, "UPDATE_FAILED");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes()[^1].ShouldBe($"PUT {One}");

        Failed(3, "UPDATE_FAILED");
        (await Should.ThrowAsync<CloudException>(RemoveServersAsync)).Message.ShouldContain("3 attempts to take the servers out of the stack");
    }

    [Fact]
    public async Task Delete_ThatFailed_IsRepeatedAndThenHandedOver()
    {
        Rows.Add(Stack("s1", "DELETE_FAILED"));
        Failed(2, "DELETE_FAILED");
        (await DeleteAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes().ShouldBe([$"DELETE {One}"]);
        Cloud.Requests.Last(r => r.Path.EndsWith("/events", StringComparison.Ordinal)).Query
            .ShouldContain($"resource_name={Name}&sort_dir=desc");

        Failed(3, "DELETE_FAILED");
        Resources(("net", "DELETE_FAILED", "Conflict: resources.net: Unable to complete operation on network n1."), ("last", "DELETE_COMPLETE", ""));
        var fault = await Should.ThrowAsync<CloudException>(DeleteAsync);
        fault.Message.ShouldBe($"Heat: 3 attempts to delete the stack {Name} (s1) failed. "
            + "The network could not be removed: Unable to complete operation on network n1. "
            + "Left: net (T, id-of-net: Unable to complete operation on network n1.).");
        fault.WhatToDo.ShouldContain("openstack stack delete s1");
        Changes().Count.ShouldBe(1);
    }

    [Fact]
    public async Task Delete_WhileServersExist_IsAConflict_AndOfNothingIsDone()
    {
        (await DeleteAsync()).ShouldBeOfType<EnsureAnswer.Done>();
        await MadeAsync();
        await NextTickAsync();

        (await Should.ThrowAsync<CloudException>(DeleteAsync)).Fault.ShouldBe(CloudFault.Conflict);
        Changes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Signals_HaveAddressAndData_AndNothingOfWhatIsNoSignal()
    {
        Rows.Add(Stack("s1", "CREATE_COMPLETE"));
        Cloud.On($"GET {One}", 200, """
            {"stack": {"id": "s1", "outputs": [{"output_key": "address-notebook", "output_value": "10.9.0.37"},
              {"output_key": "data-notebook", "output_value": "{\"server\": \"{\\\"fingerprint\\\": \\\"ab\\\"}\"}"},
              {"output_key": "address-worker0", "output_value": "10.9.0.38"}, {"output_key": "data-worker0", "output_value": null}]}}
            """);

        (await Project.Stacks.SignalsAsync(Key, Cancel)).ShouldBe(
            [new("notebook", "10.9.0.37", """{"fingerprint": "ab"}"""), new("worker0", "10.9.0.38", "")]);
    }

    [Theory]
    [InlineData("BUILD", NodeState.Building)]
    [InlineData("ACTIVE", NodeState.Running)]
    [InlineData("SHUTOFF", NodeState.Exited)]
    [InlineData("ERROR", NodeState.Broken)]
    [InlineData("PAUSED", NodeState.Running)]
    [InlineData("UNKNOWN", NodeState.Running)]
    public async Task Clusters_AreServersAndNetworks(string status, NodeState state)
    {
        await MadeAsync();
        Servers[0] = Server(status);
        Servers.Add(new() { ["id"] = "v2", ["name"] = "of-somebody-else", ["status"] = "ACTIVE", ["metadata"] = new JsonObject() });

        var cluster = (await Project.Stacks.NowAsync(Cancel)).Clusters().ShouldHaveSingleItem();

        (cluster.Workspace, cluster.HasNetwork).ShouldBe((Workspace, true));
        var node = cluster.Nodes.ShouldHaveSingleItem();
        (node.Name, node.Generation, node.State, node.Address).ShouldBe(("notebook", 2, state, state == NodeState.Running ? "10.9.0.37" : null));
    }
}
