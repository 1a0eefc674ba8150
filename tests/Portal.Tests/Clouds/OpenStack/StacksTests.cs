using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>How a stack is made, and what is said of it in each of its states.</summary>
public sealed class StacksTests : RecordedStackTest
{
    [Fact]
    public async Task Ensure_WithoutAStack_ValidatesAndCreatesOnce()
    {
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>();

        Changes().ShouldBe(["POST /heat/v1/p1/validate", $"POST {Heat}"]);
        var body = JsonNode.Parse(Cloud.Requests.Single(r => r.Path == Heat && r.Method == "POST").Body)!;
        body["stack_name"]!.GetValue<string>().ShouldBe($"portal-t123456789-{Workspace:n}-g2");
        body["tags"]!.GetValue<string>().ShouldBe($"portal,t123456789,{Workspace:n}");
        body["timeout_mins"]!.GetValue<int>().ShouldBe(15);
        body["disable_rollback"]!.GetValue<bool>().ShouldBeTrue();
        body.ToJsonString().ShouldNotContain("correct-horse");
    }

    [Fact]
    public async Task Ensure_OfATemplateThatHeatRefuses_IsRefusedInItsWords()
    {
        Cloud.On("POST /heat/v1/p1/validate", 400, """
            {"code": 400, "title": "Bad Request", "explanation": "The server could not comply with the request since it is either malformed or …",
             "error": {"type": "HTTPBadRequest", "traceback": null, "message": "The Resource Type (OS::No::Such) could not be found."}}
            """);

        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Message.ShouldBe("Heat: The Resource Type (OS::No::Such) could not be found.");
        Changes().ShouldBe(["POST /heat/v1/p1/validate"]);
    }

    [Fact]
    public async Task Ensure_WhenAnotherCallerWasFaster_GoesOn_AndAForeignStackIsAConflict()
    {
        Cloud.On($"POST {Heat}", 409, $$$"""
            {"code": 409, "title": "Conflict", "explanation": "There was a conflict when trying to complete your request.",
             "error": {"type": "StackExists", "traceback": null, "message": "The Stack ({{{Name}}}) already exists."}}
            """);
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>();

        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS", tags: []));
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>("Heat stores the tags of a new stack after the stack");

        Rows[0] = Stack("s1", "CREATE_COMPLETE", tags: ["of-somebody-else"]);
        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Fault.ShouldBe(CloudFault.Conflict);
    }

    [Fact]
    public async Task Ensure_WhileHeatWorks_SaysWhatHappens_AndAsksOnlyForWhatIsNew()
    {
        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        Events(("e1", "net", "CREATE_IN_PROGRESS"));
        (await WorkingAsync()).ShouldBe("The network is being created.");

        Events(("e2", "net", "CREATE_COMPLETE"), ("e3", "server-notebook", "CREATE_IN_PROGRESS"));
        (await WorkingAsync()).ShouldBe("The server notebook is being started.");

        Cloud.Requests.Last(r => r.Path.EndsWith("/events", StringComparison.Ordinal)).Query.ShouldBe("?limit=100&sort_dir=asc&marker=e1");
        Changes().ShouldBeEmpty();
    }

    /// <summary>Of a stack that this process has not followed, the newest events matter, and Heat gives those first.</summary>
    [Fact]
    public async Task Progress_OfAStackThatIsNotKnown_BeginsWithTheNewestEvents()
    {
        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        Events(("e9", "ready-notebook-0a1b2c3d", "CREATE_COMPLETE"), ("e8", "server-notebook", "CREATE_COMPLETE"),
            ("e7", "server-notebook", "CREATE_IN_PROGRESS"));

        (await WorkingAsync()).ShouldBe("The server notebook has mounted its folders and is ready.");
        Cloud.Requests.Last(r => r.Path.EndsWith("/events", StringComparison.Ordinal)).Query.ShouldBe("?limit=100&sort_dir=desc");
    }

    [Fact]
    public async Task Progress_BeyondTheBudget_StaysAsItWas_AndWatchedOnesComeFirst()
    {
        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        Events(("e1", "net", "CREATE_IN_PROGRESS"));
        for (var i = 0; i < 5; i++) (await WorkingAsync()).ShouldBe("The network is being created.");
        EventCalls().ShouldBe(1, "of two calls a second, those that nobody watches get half");

        Project.Progress.Watch([Workspace]);
        for (var i = 0; i < 5; i++) await WorkingAsync();
        EventCalls().ShouldBe(2);

        int EventCalls() => Cloud.Requests.Count(r => r.Path.EndsWith("/events", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Look_OfManyCallers_IsOneListOfEach()
    {
        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS"));

        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(EnsureAsync)));

        Cloud.Requests.Count(r => r.Path == Heat).ShouldBe(1);
        Cloud.Requests.Count(r => r.Path == $"{Nova}/servers/detail").ShouldBe(1);
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
        JsonNode.Parse(Cloud.Requests.Last().Body)!["template"]!["resources"]!["subnet"]!["properties"]!["enable_dhcp"]!.GetValue<bool>().ShouldBeFalse();
    }

    /// <summary>The list is up to a second old: what it shows as complete may be changing again.</summary>
    [Fact]
    public async Task Ensure_BelievesTheStackItselfMoreThanTheList()
    {
        await MadeAsync();
        Cloud.On($"GET {One}", 200, new JsonObject { ["stack"] = Stack("s1", "UPDATE_IN_PROGRESS") }.ToJsonString());

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>();
    }

    [Fact]
    public async Task Ensure_WithoutAServerThatHeatBelievesIn_IsBroken()
    {
        await MadeAsync();
        Servers.Clear();

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Broken>().Cause.ShouldBe("Somebody removed the server notebook in the cloud.");
    }

    [Fact]
    public async Task Ensure_OfAFailedStack_IsBrokenWithTheCause_AndFullIfThereIsNoRoom()
    {
        await MadeAsync();
        Rows[0] = Stack("s1", "CREATE_FAILED");
        Resources(("ready-notebook-0a1b2c3d", "CREATE_FAILED",
            "WaitConditionFailure: resources.ready-notebook-0a1b2c3d: share: mount.nfs: Connection timed out"));
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Broken>().Cause
            .ShouldBe("The server notebook could not mount its folder: mount.nfs: Connection timed out");

        Resources(("server-notebook", "CREATE_FAILED",
            "ResourceInError: resources.server-notebook: Went to status ERROR due to \"Message: No valid host was found.\""));
        Changes().ShouldBeEmpty();
        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Fault.ShouldBe(CloudFault.Full);
        Changes()[^1].ShouldBe($"PUT {One}", "Heat tries again");

        Happened("UPDATE_FAILED", "UPDATE_FAILED", "CREATE_FAILED");
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Broken>().Cause.ShouldBe("no host in the cloud has room for the server notebook");
        Changes().Count(c => c.StartsWith("PUT", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public async Task Ensure_OfMoreStacksThanHeatAllows_IsFull()
    {
        Cloud.On($"POST {Heat}", 400, """
            {"code": 400, "title": "Bad Request", "explanation": "The server could not comply with the request since it is either malformed or …",
             "error": {"type": "RequestLimitExceeded", "traceback": null,
              "message": "Request limit exceeded: You have reached the maximum stacks per tenant, 100. Please delete some stacks."}}
            """);

        var full = await Should.ThrowAsync<CloudException>(EnsureAsync);
        (full.Fault, full.Message).ShouldBe((CloudFault.Full, "Heat: the project has as many stacks as Heat allows."));
    }

    [Fact]
    public async Task Ensure_OfAServerThatOnlyItsIdShows_IsDone()
    {
        await MadeAsync();
        Servers.Clear();
        Resources(("server-notebook", "CREATE_COMPLETE", ""));
        ById("id-of-server-notebook", Server("UNKNOWN"));

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>();
    }

    [Fact]
    public async Task Ensure_OfAnOlderGenerationThanThereIs_IsAConflict()
    {
        Rows.Add(Stack("s1", "CREATE_COMPLETE", name: Project.Names.NameOf(Key with { Generation = 3 })));

        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Fault.ShouldBe(CloudFault.Conflict);
        Changes().ShouldBeEmpty();
    }

    [Fact]
    public async Task Ensure_WithAnOlderGeneration_TakesItDownFirst()
    {
        var older = Project.Names.NameOf(Key with { Generation = 1 });
        Rows.Add(Stack("s1", "UPDATE_COMPLETE", name: older));
        Cloud.Answers[$"GET {Heat}/{older}/s1"] = Cloud.Answers[$"GET {One}"];
        Cloud.On($"GET {Heat}/{older}/s1/template", 200, """{"resources": {"first": {"type": "OS::Heat::None"}}}""");
        Cloud.On($"DELETE {Heat}/{older}/s1", 204, "", "text/plain");

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The network is being removed.");
        Changes().ShouldBe([$"DELETE {Heat}/{older}/s1"]);
    }

    [Fact]
    public async Task Ensure_OfAStackThatExistsTwice_DeletesTheYounger()
    {
        await MadeAsync();
        Rows.Add(Stack("s2", "CREATE_IN_PROGRESS", at: "2026-11-30T17:48:00Z"));
        Cloud.On($"DELETE {Heat}/{Name}/s2", 204, "", "text/plain");

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>();
        Changes().ShouldBe([$"DELETE {Heat}/{Name}/s2"]);
    }

    [Fact]
    public async Task Ensure_WhileAnOlderStackOfTheSameNameIsBeingDeleted_KeepsTheYounger()
    {
        await MadeAsync();
        Rows.Add(Stack("s0", "DELETE_IN_PROGRESS", at: "2026-11-30T17:40:00Z"));

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>();
        Changes().ShouldBeEmpty();
    }
}
