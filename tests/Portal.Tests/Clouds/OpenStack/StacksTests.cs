using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.Jobs.Foreign;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>What is done with a stack in each of its states, over HTTP, against answers as a real Heat and Nova gave them.</summary>
public sealed class StacksTests : IAsyncLifetime
{
    private const string Heat = "/heat/v1/p1/stacks", Nova = "/nova/v2.1";
    private static readonly Guid Workspace = Guid.Parse("0190a6d2-7d0c-7b4e-9d3c-5a0c4e6f1a2b");
    private static readonly StackKey Key = new(Workspace, 2);
    private RecordedCloud _cloud = null!;
    private ProjectStacks _project = null!;

    /// <summary>Rows of the lists of stacks and servers.</summary>
    private readonly List<JsonObject> _stacks = [], _servers = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private string Name => _project.Names.NameOf(Key);
    private string One => $"{Heat}/{Name}/s1";

    public async ValueTask InitializeAsync()
    {
        _cloud = await RecordedCloud.StartAsync();
        var services = _cloud.Services;
        _project = new(_cloud.Cloud, "t123456789", new() { Image = "2f3712f0-6e57-4f09-aa68-d46dd7535707", PortalAddress = "192.0.2.7", EventCalls = 2 },
            services.GetRequiredService<OpenStackHttp>(), services.GetRequiredService<ForeignReader>(), TimeProvider.System,
            services.GetRequiredService<ILoggerFactory>());
        _cloud.Answers[$"GET {Heat}"] = http => RecordedCloud.SayAsync(http, 200, List("stacks",
            _stacks.Where(s => http.Request.Query["name"].ToString() is not { Length: > 0 } name || s["stack_name"]!.GetValue<string>() == name)
                .Where(s => http.Request.Query["tags"].ToString().Split(',')
                    .All(t => t.Length == 0 || s["tags"]!.ToJsonString().Contains(t, StringComparison.Ordinal)))));
        _cloud.Answers[$"GET {Nova}/servers/detail"] = http => RecordedCloud.SayAsync(http, 200, List("servers", _servers));
        _cloud.On($"GET {Nova}/flavors/detail", 200, """{"flavors": [{"id": "f1", "name": "portal-1", "ram": 2048, "disk": 4, "vcpus": 1}]}""");
        _cloud.On("POST /heat/v1/p1/validate", 200, """{"Description": "", "Parameters": {}}""");
        _cloud.On($"POST {Heat}", 201, """{"stack": {"id": "s1", "links": []}}""");
        _cloud.On($"PUT {One}", 202, "");
        _cloud.On($"DELETE {One}", 204, "", "text/plain");
        _cloud.On($"GET {One}/events", 200, """{"events": []}""");
        _cloud.Answers[$"GET {One}"] = http => RecordedCloud.SayAsync(http, 200, new JsonObject { ["stack"] = _stacks[0].DeepClone() }.ToJsonString());
    }

    [Fact]
    public async Task Ensure_WithoutAStack_ValidatesAndCreatesOnce()
    {
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>();

        Changes().ShouldBe(["POST /heat/v1/p1/validate", $"POST {Heat}"]);
        var body = JsonNode.Parse(_cloud.Requests.Single(r => r.Path == Heat && r.Method == "POST").Body)!;
        body["stack_name"]!.GetValue<string>().ShouldBe($"portal-t123456789-{Workspace:n}-g2");
        body["tags"]!.GetValue<string>().ShouldBe($"portal,t123456789,{Workspace:n}");
        body["timeout_mins"]!.GetValue<int>().ShouldBe(15);
        body["disable_rollback"]!.GetValue<bool>().ShouldBeTrue();
        body.ToJsonString().ShouldNotContain("correct-horse");
    }

    [Fact]
    public async Task Ensure_OfATemplateThatHeatRefuses_IsRefusedInItsWords()
    {
        _cloud.On("POST /heat/v1/p1/validate", 400, """
            {"code": 400, "title": "Bad Request", "explanation": "The server could not comply with the request since it is either malformed or …",
             "error": {"type": "HTTPBadRequest", "traceback": null, "message": "The Resource Type (OS::No::Such) could not be found."}}
            """);

        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Message.ShouldBe("Heat: The Resource Type (OS::No::Such) could not be found.");
        Changes().ShouldBe(["POST /heat/v1/p1/validate"]);
    }

    [Fact]
    public async Task Ensure_WhenAnotherCallerWasFaster_GoesOn_AndAForeignStackIsAConflict()
    {
        _cloud.On($"POST {Heat}", 409, $$$"""
            {"code": 409, "title": "Conflict", "explanation": "There was a conflict when trying to complete your request.",
             "error": {"type": "StackExists", "traceback": null, "message": "The Stack ({{{Name}}}) already exists."}}
            """);
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>();

        _stacks.Add(Stack("s1", "CREATE_COMPLETE", tags: ["of-somebody-else"]));
        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Fault.ShouldBe(CloudFault.Conflict);
    }

    [Fact]
    public async Task Ensure_WhileHeatWorks_SaysWhatHappens_AndAsksOnlyForWhatIsNew()
    {
        _stacks.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        Events(("e1", "net", "CREATE_IN_PROGRESS"));
        (await WorkingAsync()).ShouldBe("The network is being created.");

        Events(("e2", "net", "CREATE_COMPLETE"), ("e3", "server-notebook", "CREATE_IN_PROGRESS"));
        (await WorkingAsync()).ShouldBe("The server notebook is being started.");

        _cloud.Requests.Last(r => r.Path.EndsWith("/events", StringComparison.Ordinal)).Query.ShouldBe("?limit=100&sort_dir=asc&marker=e1");
        Changes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Progress_BeyondTheBudget_StaysAsItWas_AndWatchedOnesComeFirst()
    {
        _stacks.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        Events(("e1", "net", "CREATE_IN_PROGRESS"));
        for (var i = 0; i < 5; i++) (await WorkingAsync()).ShouldBe("The network is being created.");
        EventCalls().ShouldBe(1, "of two calls a second, those that nobody watches get half");

        _project.Progress.Watch([Workspace]);
        for (var i = 0; i < 5; i++) await WorkingAsync();
        EventCalls().ShouldBe(2);

        int EventCalls() => _cloud.Requests.Count(r => r.Path.EndsWith("/events", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Look_OfManyCallers_IsOneListOfEach()
    {
        _stacks.Add(Stack("s1", "CREATE_IN_PROGRESS"));

        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(EnsureAsync)));

        _cloud.Requests.Count(r => r.Path == Heat).ShouldBe(1);
        _cloud.Requests.Count(r => r.Path == $"{Nova}/servers/detail").ShouldBe(1);
    }

    [Fact]
    public async Task Ensure_OfACompleteStack_ComparesItsTemplate()
    {
        var template = await MadeAsync();
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>();

        template["resources"]!["subnet"]!["properties"]!["enable_dhcp"] = true; // somebody changed it, or it is of an older plan
        Template(template);
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The cloud is changing the servers.");
        Changes()[^1].ShouldBe($"PUT {One}");
        JsonNode.Parse(_cloud.Requests.Last().Body)!["template"]!["resources"]!["subnet"]!["properties"]!["enable_dhcp"]!.GetValue<bool>().ShouldBeFalse();
    }

    /// <summary>The list is up to a second old: what it shows as complete may be changing again.</summary>
    [Fact]
    public async Task Ensure_BelievesTheStackItselfMoreThanTheList()
    {
        await MadeAsync();
        _cloud.On($"GET {One}", 200, new JsonObject { ["stack"] = Stack("s1", "UPDATE_IN_PROGRESS") }.ToJsonString());

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>();
    }

    [Fact]
    public async Task Ensure_WithoutAServerThatHeatBelievesIn_IsBroken()
    {
        await MadeAsync();
        _servers.Clear();

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Broken>().Cause.ShouldBe("Somebody removed the server notebook in the cloud.");
    }

    [Fact]
    public async Task Ensure_OfAFailedStack_IsBrokenWithTheCause_AndFullIfThereIsNoRoom()
    {
        await MadeAsync();
        _stacks[0] = Stack("s1", "CREATE_FAILED");
        Resources(("ready-notebook-0a1b2c3d", "CREATE_FAILED",
            "WaitConditionFailure: resources.ready-notebook-0a1b2c3d: share: mount.nfs: Connection timed out"));
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Broken>().Cause
            .ShouldBe("The server notebook could not mount its folder: mount.nfs: Connection timed out");

        Resources(("server-notebook", "CREATE_FAILED",
            "ResourceInError: resources.server-notebook: Went to status ERROR due to \"Message: No valid host was found.\""));
        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Fault.ShouldBe(CloudFault.Full);
        Changes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Ensure_OfAnOlderGenerationThanThereIs_IsAConflict()
    {
        _stacks.Add(Stack("s1", "CREATE_COMPLETE", name: _project.Names.NameOf(Key with { Generation = 3 })));

        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Fault.ShouldBe(CloudFault.Conflict);
        Changes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Ensure_OfAStackThatExistsTwice_DeletesTheYounger()
    {
        await MadeAsync();
        _stacks.Add(Stack("s2", "CREATE_IN_PROGRESS", at: "2026-11-30T17:48:00Z"));
        _cloud.On($"DELETE {Heat}/{Name}/s2", 204, "", "text/plain");

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>();
        Changes().ShouldBe([$"DELETE {Heat}/{Name}/s2"]);
    }

    [Fact]
    public async Task Ensure_WhileAnOlderStackOfTheSameNameIsBeingDeleted_KeepsTheYounger()
    {
        await MadeAsync();
        _stacks.Add(Stack("s0", "DELETE_IN_PROGRESS", at: "2026-11-30T17:40:00Z"));

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>();
        Changes().ShouldBeEmpty();
    }

    [Fact]
    public async Task RemoveServers_SeesThemOffBeforeTheyGo()
    {
        await MadeAsync();
        Stopped();
        _cloud.On($"POST {Nova}/servers/v1/action", 202, "");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The server is shutting down.");
        Changes().ShouldBe([$"POST {Nova}/servers/v1/action"]);

        Stopped(TimeSpan.FromSeconds(5));
        _servers[0] = Server("ACTIVE", "powering-off");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes().Count.ShouldBe(1, "it is not asked twice");

        _servers[0] = Server("SHUTOFF");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The servers are being removed.");
        Changes()[1..].ShouldBe(["POST /heat/v1/p1/validate", $"PUT {One}"]);
        var put = JsonNode.Parse(_cloud.Requests.Last(r => r.Method == "PUT").Body)!;
        put["template"]!["resources"]!.AsObject().Select(r => r.Key).ShouldBe(["first", "net", "subnet", "rules", "last"]);
        put["tags"]!.GetValue<string>().ShouldBe($"portal,t123456789,{Workspace:n}");

        Template(put["template"]!.AsObject());
        _stacks[0] = Stack("s1", "UPDATE_IN_PROGRESS");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        _stacks[0] = Stack("s1", "UPDATE_COMPLETE");
        _servers.Clear();
        await NextTickAsync();
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Done>();
    }

    [Fact]
    public async Task RemoveServers_OfOneThatDoesNotShutDown_IsReportedAndTakesNothingAway()
    {
        await MadeAsync();
        Stopped(TimeSpan.FromMinutes(4), TimeSpan.FromSeconds(1));
        _servers[0] = Server("ACTIVE", "powering-off");

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
        _servers[0] = Server("SHUTOFF");
        _stacks[0] = Stack("s1", "UPDATE_FAILED");
        Failed(2);
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes()[^1].ShouldBe($"PUT {One}");

        Failed(3);
        Resources(("server-notebook", "DELETE_FAILED", "ResourceInError: resources.server-notebook: Went to status ERROR"));
        (await Should.ThrowAsync<CloudException>(RemoveServersAsync)).Message.ShouldContain("3 attempts to take the servers out of the stack");
    }

    [Fact]
    public async Task Delete_ThatFailed_IsRepeatedAndThenHandedOver()
    {
        _stacks.Add(Stack("s1", "DELETE_FAILED"));
        Failed(2);
        (await DeleteAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes().ShouldBe([$"DELETE {One}"]);
        _cloud.Requests.Last(r => r.Path.EndsWith("/events", StringComparison.Ordinal)).Query
            .ShouldContain($"resource_name={Name}&resource_action=DELETE&resource_status=FAILED");

        Failed(3);
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
        _stacks.Add(Stack("s1", "CREATE_COMPLETE"));
        _cloud.On($"GET {One}", 200, """
            {"stack": {"id": "s1", "outputs": [{"output_key": "address-notebook", "output_value": "10.9.0.37"},
              {"output_key": "data-notebook", "output_value": "{\"server\": \"{\\\"fingerprint\\\": \\\"ab\\\"}\"}"},
              {"output_key": "address-worker0", "output_value": "10.9.0.38"}, {"output_key": "data-worker0", "output_value": null}]}}
            """);

        (await _project.Stacks.SignalsAsync(Key, Cancel)).ShouldBe(
            [new("notebook", "10.9.0.37", """{"fingerprint": "ab"}"""), new("worker0", "10.9.0.38", "")]);
    }

    [Theory]
    [InlineData("BUILD", NodeState.Building)]
    [InlineData("ACTIVE", NodeState.Running)]
    [InlineData("SHUTOFF", NodeState.Exited)]
    [InlineData("ERROR", NodeState.Broken)]
    public async Task Clusters_AreServersAndNetworks(string status, NodeState state)
    {
        await MadeAsync();
        _servers[0] = Server(status);
        _servers.Add(new() { ["id"] = "v2", ["name"] = "of-somebody-else", ["status"] = "ACTIVE", ["metadata"] = new JsonObject() });

        var cluster = (await _project.Stacks.NowAsync(Cancel)).Clusters().ShouldHaveSingleItem();

        (cluster.Workspace, cluster.HasNetwork).ShouldBe((Workspace, true));
        var node = cluster.Nodes.ShouldHaveSingleItem();
        (node.Name, node.Generation, node.State, node.Address).ShouldBe(("notebook", 2, state, state == NodeState.Running ? "10.9.0.37" : null));
    }

    public async ValueTask DisposeAsync() => await _cloud.DisposeAsync();

    private Task<EnsureAnswer> EnsureAsync() => _project.Stacks.EnsureAsync(new(Workspace, 2, "10.9.0.32/27",
        [new("notebook", "notebook", "", 70_123, [], new Dictionary<string, string>(), new Dictionary<string, string> { ["TOKEN"] = "correct-horse" }, [], 512, 1)]), Cancel);

    private async Task<string> WorkingAsync() => (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>().What;

    private Task<EnsureAnswer> RemoveServersAsync() => _project.Stacks.RemoveServersAsync(Workspace, 2, null, Cancel);

    private Task<EnsureAnswer> DeleteAsync() => _project.Stacks.DeleteAsync(Workspace, 2, Cancel);

    private static Task NextTickAsync() => Task.Delay(StackLook.Tick + TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancel);

    /// <summary>A complete stack with its server, made by the portal's own request.</summary>
    private async Task<JsonObject> MadeAsync()
    {
        await EnsureAsync();
        var template = JsonNode.Parse(_cloud.Requests.Last(r => r.Method == "POST" && r.Path == Heat).Body)!["template"]!.AsObject();
        _cloud.Requests.Clear();
        Template(template);
        _stacks.Add(Stack("s1", "CREATE_COMPLETE"));
        _servers.Add(Server("ACTIVE"));
        return template;
    }

    /// <summary>What changes something, and the validation before it.</summary>
    private List<string> Changes() =>
        [.. _cloud.Requests.Where(r => r.Method != "GET" && r.Path != "/v3/auth/tokens").Select(r => $"{r.Method} {r.Path}")];

    private JsonObject Stack(string id, string status, string? name = null, string[]? tags = null, string at = "2026-11-30T17:47:59Z") => new()
    {
        ["id"] = id,
        ["links"] = new JsonArray(),
        ["stack_name"] = name ?? Name,
        ["description"] = "",
        ["stack_status"] = status,
        ["stack_status_reason"] = "Stack CREATE started",
        ["creation_time"] = at,
        ["updated_time"] = null,
        ["deletion_time"] = null,
        ["tags"] = new JsonArray([.. (tags ?? ["portal", "t123456789", Workspace.ToString("n")]).Select(t => (JsonNode)t)]),
    };

    private JsonObject Server(string status, string? task = null)
    {
        var metadata = new JsonObject { ["portal_state"] = "0a1b2c3d0a1b2c3d" };
        foreach (var (name, value) in _project.Names.MetadataOf(Key, "notebook", "notebook")) metadata[name] = value;
        return new()
        {
            ["id"] = "v1",
            ["name"] = _project.Names.ServerOf(Key, "notebook"),
            ["status"] = status,
            ["metadata"] = metadata,
            ["addresses"] = new JsonObject
            {
                ["net"] = new JsonArray(new JsonObject { ["version"] = 4, ["addr"] = "10.9.0.37", ["OS-EXT-IPS:type"] = "fixed" }),
            },
            ["OS-EXT-STS:task_state"] = task,
            ["OS-EXT-STS:vm_state"] = "active",
            ["OS-EXT-STS:power_state"] = 1,
        };
    }

    private static string List(string name, IEnumerable<JsonObject> rows) =>
        new JsonObject { [name] = new JsonArray([.. rows.Select(r => r.DeepClone())]) }.ToJsonString();

    private void Template(JsonObject template) => _cloud.On($"GET {One}/template", 200, template.ToJsonString());

    private void Events(params (string Id, string Resource, string Status)[] events)
    {
        _cloud.On($"GET {One}/events", 200, JsonSerializer.Serialize(new
        {
            events = events.Select(e => new
            {
                id = e.Id,
                event_time = "2026-11-30T17:47:59Z",
                resource_name = e.Resource,
                resource_status = e.Status,
                resource_status_reason = "state changed",
            }),
        }));
        _project.Progress.Watch([Workspace]);
        if (events[0].Id == "e1") _project.Progress.Watch([]);
    }

    private void Failed(int times) => _cloud.On($"GET {One}/events", 200,
        JsonSerializer.Serialize(new
        {
            events = Enumerable.Range(0, times).Select(_ => "Resource DELETE failed: …").Append("Stack DELETE cancelled").Select((reason, i) => new
            {
                id = i.ToString(CultureInfo.InvariantCulture),
                resource_status_reason = reason,
            }),
        }));

    private void Resources(params (string Name, string Status, string Reason)[] resources) => _cloud.On($"GET {One}/resources", 200,
        JsonSerializer.Serialize(new
        {
            resources = resources.Select(r => new
            {
                resource_name = r.Name,
                resource_type = "T",
                resource_status = r.Status,
                resource_status_reason = r.Reason,
                physical_resource_id = r.Status == "DELETE_COMPLETE" ? "" : $"id-of-{r.Name}",
            }),
        }));

    /// <summary>How long ago the server was asked to stop, each time; null for never.</summary>
    private void Stopped(params TimeSpan?[] ago) => _cloud.On($"GET {Nova}/servers/v1/os-instance-actions", 200, JsonSerializer.Serialize(new
    {
        instanceActions = ago.Where(a => a is not null).Select(a => ("stop", a!.Value)).Append(("create", TimeSpan.FromHours(1)))
            .Select(a => new
            {
                action = a.Item1,
                start_time = (DateTimeOffset.UtcNow - a.Item2).ToString("yyyy-MM-ddTHH:mm:ss.ffffff", CultureInfo.InvariantCulture),
            }),
    }));
}
