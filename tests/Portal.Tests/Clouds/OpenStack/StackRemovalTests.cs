using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>Servers in unusual states, that no list or no stack shows, or that do not go.</summary>
public sealed class StackRemovalTests : RecordedStackTest
{
    private const string Stop = $"POST {Nova}/servers/v1/action";

    [Theory]
    [InlineData("PAUSED", 3)]
    [InlineData("SUSPENDED", 7)]
    [InlineData("MIGRATING", 1)]
    [InlineData("VERIFY_RESIZE", 1)]
    [InlineData("RESCUE", 1)]
    [InlineData("UNKNOWN", null)]
    [InlineData("ERROR", 1)]
    [InlineData("ERROR", 3)]
    [InlineData("ERROR", null)]
    public async Task Server_WhoseGuestMayBeThere_IsAskedToShutDownFirst(string status, int? power)
    {
        await MadeAsync();
        Cloud.On(Stop, 202, "");
        Servers[0] = Server(status, power: power);

        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The server is shutting down.");
        Changes().ShouldBe([Stop]);
    }

    [Theory]
    [InlineData("SHUTOFF", 4)]
    [InlineData("SHELVED_OFFLOADED", 4)]
    [InlineData("BUILD", 0)]
    [InlineData("ERROR", 0)]
    public async Task Server_WithoutAGuest_IsTakenOut(string status, int power)
    {
        await MadeAsync();
        Servers[0] = Server(status, power: power);

        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The servers are being removed.");
        Changes()[^1].ShouldBe($"PUT {One}");
    }

    [Fact]
    public async Task Server_ThatIsLocked_IsBrokenInNovasWords_AndNotAskedAtEveryLook()
    {
        await MadeAsync();
        Options.StopLimit = TimeSpan.FromMilliseconds(300);
        Cloud.On(Stop, 409, """{"conflictingRequest": {"code": 409, "message": "Instance v1 is locked"}}""");

        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        await Task.Delay(TimeSpan.FromMilliseconds(400), TimeProvider.System, Cancel);
        var broken = (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Broken>();

        broken.Cause.ShouldEndWith("is still ACTIVE. Nova: Instance v1 is locked.");
        Changes().ShouldBe([Stop]);
    }

    [Fact]
    public async Task Server_ThatOnlyItsIdShows_IsShutDownBeforeItIsTakenOut()
    {
        await MadeAsync();
        Servers.Clear();
        Resources(("server-notebook", "CREATE_COMPLETE", ""));
        ById("id-of-server-notebook", Server("ACTIVE"));
        Cloud.On(Stop, 202, "");

        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes().ShouldBe([Stop]);
    }

    [Fact]
    public async Task FailedUpdate_IsDoneOnlyOnceNovaKnowsNoneOfTheServers()
    {
        Template(StackTemplate.Without(await MadeAsync()));
        Servers.Clear();
        Rows[0] = Stack("s1", "UPDATE_FAILED");
        Resources(("server-notebook", "DELETE_FAILED", "ResourceInError: resources.server-notebook: Went to status ERROR"));
        ById("id-of-server-notebook", Server("UNKNOWN"));
        Failed(1, "UPDATE_FAILED");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes()[^1].ShouldBe($"PUT {One}");

        Cloud.On($"GET {Nova}/servers/id-of-server-notebook", 404, """{"itemNotFound": {"code": 404, "message": "Instance could not be found."}}""");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Done>();
    }

    [Fact]
    public async Task Server_WhoseStackIsGone_IsShutDownAndDeleted()
    {
        Servers.Add(Server("ACTIVE"));
        Cloud.On(Stop, 202, "");
        Cloud.On($"DELETE {Nova}/servers/v1", 204, "", "text/plain");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The server is shutting down.");

        Servers[0] = Server("SHUTOFF");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The servers are being removed.");
        Changes().ShouldBe([Stop, $"DELETE {Nova}/servers/v1"]);

        Servers.Clear();
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Done>();
        (await DeleteAsync()).ShouldBeOfType<EnsureAnswer.Done>();
    }

    [Fact]
    public async Task Server_ThatItsStackHasLetGo_IsDeleted()
    {
        Template(StackTemplate.Without(await MadeAsync()));
        Rows[0] = Stack("s1", "UPDATE_COMPLETE");
        Servers[0] = Server("SHUTOFF");
        Cloud.On($"DELETE {Nova}/servers/v1", 204, "", "text/plain");

        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes().ShouldBe([$"DELETE {Nova}/servers/v1"]);
    }

    [Fact]
    public async Task Stacks_OfOneName_AreBothToldToLetGo()
    {
        var template = await MadeAsync();
        Servers[0] = Server("SHUTOFF");
        Rows.Add(Stack("s2", "CREATE_COMPLETE"));
        Cloud.On($"GET {Heat}/{Name}/s2/template", 200, template.ToJsonString());
        Cloud.On($"PUT {Heat}/{Name}/s2", 202, "");

        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();
        Changes().Where(c => c.StartsWith("PUT", StringComparison.Ordinal)).ShouldBe([$"PUT {One}", $"PUT {Heat}/{Name}/s2"]);
    }

    [Fact]
    public async Task Failures_BeforeTheLastSuccess_DoNotCount()
    {
        await FailedAsync();
        Happened("UPDATE_FAILED", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_FAILED", "UPDATE_FAILED");

        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The servers are being removed: another attempt.");
    }

    [Fact]
    public async Task Failures_BeforeTheServersWereToGo_DoNotCount()
    {
        await MadeAsync();
        Servers[0] = Server("SHUTOFF");
        Rows[0] = Stack("s1", "UPDATE_FAILED");
        Failed(3, "UPDATE_FAILED");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>();

        Template(JsonNode.Parse(Cloud.Requests.Last(r => r.Method == "PUT").Body)!["template"]!.AsObject());
        await StillThereAsync();
        Failed(4, "UPDATE_FAILED");
        (await RemoveServersAsync()).ShouldBeOfType<EnsureAnswer.Working>().What.ShouldBe("The servers are being removed: another attempt.");

        Failed(6, "UPDATE_FAILED");
        (await Should.ThrowAsync<CloudException>(RemoveServersAsync)).Message.ShouldContain("3 attempts");
    }

    [Fact]
    public async Task Looks_AreASecondApart_HoweverMuchIsChanged()
    {
        var began = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < 3; i++) await EnsureAsync(); // each makes a stack, which no list shows

        TimeProvider.System.GetElapsedTime(began).ShouldBeGreaterThan(StackLook.Tick * 1.9);
        Cloud.Requests.Count(r => r.Path == Heat && r.Method == "GET").ShouldBe(3);
    }

    [Fact]
    public async Task Looks_ThatTakeLong_AreOneAtATime()
    {
        var (now, most) = (0, 0);
        Cloud.Answers[$"GET {Heat}"] = async http =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await Task.Delay(TimeSpan.FromMilliseconds(1500), TimeProvider.System, Cancel);
            Interlocked.Decrement(ref now);
            await RecordedCloud.SayAsync(http, 200, List("stacks", Rows));
        };
        var first = Project.Stacks.NowAsync(Cancel);
        await NextTickAsync();
        await Task.WhenAll(first, Project.Stacks.NowAsync(Cancel));

        most.ShouldBe(1);
    }

    [Fact]
    public async Task Pages_GoOnToTheLast_HoweverShortTheyAre()
    {
        Pages($"{Nova}/servers/detail", "servers", "servers_links", Server("ACTIVE"), Server("ACTIVE", id: "v2"));
        Pages(Heat, "stacks", "links", Stack("s1", "CREATE_COMPLETE"), Stack("s2", "CREATE_COMPLETE"));

        (await Project.Nova.ServersAsync(Cancel)).Select(s => s.Id).ShouldBe(["v1", "v2"]);
        (await Project.Heat.NamedAsync(Name, Cancel)).Select(s => s.Id).ShouldBe(["s1", "s2"]);
    }

    [Fact]
    public async Task Answer_WithoutWhatWasAskedFor_IsBroken()
    {
        await MadeAsync();
        Cloud.On($"GET {One}", 200, "{}");
        (await Should.ThrowAsync<CloudException>(EnsureAsync)).Message.ShouldBe("Heat: its answer has no stack.");

        Cloud.On($"GET {Nova}/servers/v1", 200, """{"server": "v1"}""");
        (await Should.ThrowAsync<CloudException>(() => Project.Nova.ServerAsync("v1", Cancel))).Fault.ShouldBe(CloudFault.Broken);
        Cloud.On($"GET {Nova}/servers/detail", 200, "[]");
        (await Should.ThrowAsync<CloudException>(() => Project.Nova.ServersAsync(Cancel))).Message.ShouldBe("Nova: its answer has no servers.");
    }

    /// <summary>A stack that did not manage to let its server go.</summary>
    private async Task FailedAsync()
    {
        Template(StackTemplate.Without(await MadeAsync()));
        Servers[0] = Server("SHUTOFF");
        Rows[0] = Stack("s1", "UPDATE_FAILED");
        await StillThereAsync();
    }

    private Task StillThereAsync()
    {
        Resources(("server-notebook", "DELETE_FAILED", "ResourceInError: resources.server-notebook: Went to status ERROR"));
        ById("id-of-server-notebook", Servers[0]);
        return NextTickAsync();
    }

    /// <summary>One row on a page, and a link to the next.</summary>
    private void Pages(string path, string name, string links, params JsonObject[] rows) => Cloud.Answers[$"GET {path}"] = http =>
    {
        var at = Array.FindIndex(rows, r => r["id"]!.GetValue<string>() == http.Request.Query["marker"].ToString()) + 1;
        var answer = new JsonObject { [name] = at < rows.Length ? new JsonArray(rows[at].DeepClone()) : new JsonArray() };
        if (at < rows.Length) answer[links] = new JsonArray(new JsonObject { ["rel"] = "next", ["href"] = "http://127.0.0.1:1/wrong" });
        return RecordedCloud.SayAsync(http, 200, answer.ToJsonString());
    };
}
