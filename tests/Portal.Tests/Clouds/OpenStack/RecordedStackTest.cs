using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>The stack of a workspace behind HTTP, with answers as a real Heat and Nova gave them; each test sets what they show.</summary>
public abstract class RecordedStackTest : IAsyncLifetime
{
    private protected const string Heat = "/heat/v1/p1/stacks", Nova = "/nova/v2.1";
    private protected static readonly Guid Workspace = Guid.Parse("0190a6d2-7d0c-7b4e-9d3c-5a0c4e6f1a2b");
    private protected static readonly StackKey Key = new(Workspace, 2);
    private protected RecordedCloud Cloud { get; private set; } = null!;
    private protected ProjectStacks Project { get; private set; } = null!;
    private protected ServerOptions Options { get; } =
        new() { Image = "2f3712f0-6e57-4f09-aa68-d46dd7535707", PortalAddress = "192.0.2.7", EventCalls = 2 };

    /// <summary>Rows of the lists of stacks and servers.</summary>
    private protected List<JsonObject> Rows { get; } = [];

    private protected List<JsonObject> Servers { get; } = [];

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private protected string Name => Project.Names.NameOf(Key);
    private protected string One => $"{Heat}/{Name}/s1";

    public async ValueTask InitializeAsync()
    {
        Cloud = await RecordedCloud.StartAsync();
        Project = Open();
        Cloud.Answers[$"GET {Heat}"] = http => RecordedCloud.SayAsync(http, 200, List("stacks",
            Rows.Where(s => http.Request.Query["name"].ToString() is not { Length: > 0 } name || s["stack_name"]!.GetValue<string>() == name)
                .Where(s => http.Request.Query["tags"].ToString().Split(',')
                    .All(t => t.Length == 0 || s["tags"]!.ToJsonString().Contains(t, StringComparison.Ordinal)))));
        Cloud.Answers[$"GET {Nova}/servers/detail"] = http => RecordedCloud.SayAsync(http, 200, List("servers", Servers));
        Cloud.On($"GET {Nova}/flavors/detail", 200, """{"flavors": [{"id": "f1", "name": "portal-1", "ram": 2048, "disk": 4, "vcpus": 1}]}""");
        Cloud.On("POST /heat/v1/p1/validate", 200, """{"Description": "", "Parameters": {}}""");
        Cloud.On($"POST {Heat}", 201, """{"stack": {"id": "s1", "links": []}}""");
        Cloud.On($"PUT {One}", 202, "");
        Cloud.On($"DELETE {One}", 204, "", "text/plain");
        Cloud.On($"GET {One}/events", 200, """{"events": []}""");
        Cloud.Answers[$"GET {One}"] = http => RecordedCloud.SayAsync(http, 200, new JsonObject { ["stack"] = Rows[0].DeepClone() }.ToJsonString());
    }

    public async ValueTask DisposeAsync()
    {
        await Cloud.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected Task<EnsureAnswer> EnsureAsync() => EnsureAsync(Project);

    private static Task<EnsureAnswer> EnsureAsync(ProjectStacks project) => project.Stacks.EnsureAsync(new(Workspace, 2, "10.9.0.32/27",
        [new("notebook", "notebook", "", 70_123, [], new Dictionary<string, string>(),
            new Dictionary<string, string> { ["TOKEN"] = "correct-horse" }, [], 512, 1)]), Cancel);

    private protected async Task<string> WorkingAsync() => (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>().What;

    private protected Task<EnsureAnswer> RemoveServersAsync() => Project.Stacks.RemoveServersAsync(Workspace, 2, null, Cancel);

    private protected Task<EnsureAnswer> DeleteAsync() => Project.Stacks.DeleteAsync(Workspace, 2, Cancel);

    private protected static Task NextTickAsync() => Task.Delay(StackLook.Tick + TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancel);

    /// <summary>As another process of the portal has it, which has not looked yet.</summary>
    private ProjectStacks Open() => new(Cloud.Cloud, "t123456789", new(
        Options, new(Options.Keys, TimeProvider.System), Cloud.Services.GetRequiredService<OpenStackHttp>(), TimeProvider.System,
        Cloud.Services.GetRequiredService<ILoggerFactory>()));

    /// <summary>A complete stack with its server, made by another process of the portal.</summary>
    private protected async Task<JsonObject> MadeAsync()
    {
        await EnsureAsync(Open());
        var template = JsonNode.Parse(Cloud.Requests.Last(r => r.Method == "POST" && r.Path == Heat).Body)!["template"]!.AsObject();
        Cloud.Requests.Clear();
        Template(template);
        Rows.Add(Stack("s1", "CREATE_COMPLETE"));
        Servers.Add(Server("ACTIVE"));
        return template;
    }

    /// <summary>What changes something, and the validation before it.</summary>
    private protected List<string> Changes() =>
        [.. Cloud.Requests.Where(r => r.Method != "GET" && r.Path != "/v3/auth/tokens").Select(r => $"{r.Method} {r.Path}")];

    private protected JsonObject Stack(string id, string status, string? name = null, string[]? tags = null, string at = "2026-11-30T17:47:59Z") => new()
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

    private protected JsonObject Server(string status, string? task = null, int? power = 1, string id = "v1")
    {
        var metadata = new JsonObject { ["portal_state"] = "0a1b2c3d0a1b2c3d" };
        foreach (var (name, value) in Project.Names.MetadataOf(Key, "notebook", "notebook")) metadata[name] = value;
        return new()
        {
            ["id"] = id,
            ["name"] = Project.Names.ServerOf(Key, "notebook"),
            ["status"] = status,
            ["metadata"] = metadata,
            ["addresses"] = new JsonObject
            {
                ["net"] = new JsonArray(new JsonObject { ["version"] = 4, ["addr"] = "10.9.0.37", ["OS-EXT-IPS:type"] = "fixed" }),
            },
            ["OS-EXT-STS:task_state"] = task,
            ["OS-EXT-STS:vm_state"] = "active",
            ["OS-EXT-STS:power_state"] = power,
        };
    }

    /// <summary>A server that answers by its id, whether a list shows it or not.</summary>
    private protected void ById(string id, JsonObject server) =>
        Cloud.On($"GET {Nova}/servers/{id}", 200, new JsonObject { ["server"] = server.DeepClone() }.ToJsonString());

    private protected static string List(string name, IEnumerable<JsonObject> rows) =>
        new JsonObject { [name] = new JsonArray([.. rows.Select(r => r.DeepClone())]) }.ToJsonString();

    private protected void Template(JsonObject template) => Cloud.On($"GET {One}/template", 200, template.ToJsonString());

    private protected void Events(params (string Id, string Resource, string Status)[] events)
    {
        Cloud.On($"GET {One}/events", 200, JsonSerializer.Serialize(new
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
        Project.Progress.Watch([Workspace]);
        if (events[0].Id == "e1") Project.Progress.Watch([]);
    }

    /// <summary>What happened to the whole stack, newest first; something that was cancelled is among what failed.</summary>
    private protected void Failed(int times, string status) => Happened([.. Enumerable.Repeat(status, times)]);

    private protected void Happened(params string[] statuses) => Cloud.On($"GET {One}/events", 200, JsonSerializer.Serialize(new
    {
        events = statuses.Select(s => (Status: s, Reason: "Resource DELETE failed: …"))
            .Append((Status: "DELETE_FAILED", Reason: "Stack DELETE cancelled")).Select((e, i) => new
            {
                id = (statuses.Length - i).ToString(CultureInfo.InvariantCulture),
                resource_status = e.Status,
                resource_status_reason = e.Reason,
            }),
    }));

    private protected void Resources(params (string Name, string Status, string Reason)[] resources) => Cloud.On($"GET {One}/resources", 200,
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
    private protected void Stopped(params TimeSpan?[] ago) => Cloud.On($"GET {Nova}/servers/v1/os-instance-actions", 200, JsonSerializer.Serialize(new
    {
        instanceActions = ago.Where(a => a is not null).Select(a => ("stop", a!.Value)).Append(("create", TimeSpan.FromHours(1)))
            .Select(a => new
            {
                action = a.Item1,
                start_time = (DateTimeOffset.UtcNow - a.Item2).ToString("yyyy-MM-ddTHH:mm:ss.ffffff", CultureInfo.InvariantCulture),
            }),
    }));
}
