using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portal.E2E;

/// <summary>What a project of an OpenStack holds of the installation under test, asked of the services themselves, not of the portal.</summary>
internal sealed class OpenStackProject : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(30) };
    private readonly string _prefix = $"portal-{File.ReadAllText(Path.Combine(Machine.State, "id")).Trim()}-";
    private JsonArray _catalog = [];

    /// <summary>Folder of credential files, one for each project.</summary>
    private static string Credentials => Environment.GetEnvironmentVariable("PORTAL_TEST_OPENSTACK") is { Length: > 0 } folder ? folder
        : throw new InvalidOperationException("PORTAL_TEST_OPENSTACK does not name a folder of credential files; infra/test openstack sets it.");

    /// <param name="name">Name of its credential.</param>
    public static async Task<OpenStackProject> SignInAsync(string name)
    {
        var own = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Credentials, name + ".json")))!;
        JsonObject Named(string what, string domain) =>
            new() { ["name"] = own[what]!.GetValue<string>(), ["domain"] = new JsonObject { ["name"] = own[domain]!.GetValue<string>() } };
        var user = Named("user", "user_domain");
        user["password"] = own["password"]!.GetValue<string>();
        var ask = new JsonObject
        {
            ["auth"] = new JsonObject
            {
                ["identity"] = new JsonObject { ["methods"] = new JsonArray("password"), ["password"] = new JsonObject { ["user"] = user } },
                ["scope"] = new JsonObject { ["project"] = Named("project", "project_domain") },
            },
        };
        var project = new OpenStackProject();
        using var body = new StringContent(ask.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await project._http.PostAsync($"{own["auth_url"]!.GetValue<string>().TrimEnd('/')}/auth/tokens", body);
        answer.EnsureSuccessStatusCode();
        project._http.DefaultRequestHeaders.Add("X-Auth-Token", answer.Headers.GetValues("X-Subject-Token"));
        project._http.DefaultRequestHeaders.Add("X-OpenStack-Manila-API-Version", "2.65");
        project._http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        project._catalog = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["token"]!["catalog"]!.AsArray();
        return project;
    }

    public Task<IReadOnlyList<string>> StacksAsync() => NamesAsync("orchestration", "/stacks", "stacks", "stack_name");
    public Task<IReadOnlyList<string>> ServersAsync() => NamesAsync("compute", "/servers", "servers");
    public Task<IReadOnlyList<string>> NetworksAsync() => NamesAsync("network", "/v2.0/networks", "networks");
    public Task<IReadOnlyList<string>> PortsAsync() => NamesAsync("network", "/v2.0/ports", "ports");
    public Task<IReadOnlyList<string>> SharesAsync() => NamesAsync("sharev2", "/shares", "shares");

    /// <summary>Access rules on the installation's shares: what each is for, and its state.</summary>
    public async Task<IReadOnlyList<string>> RulesAsync()
    {
        var rules = new List<string>();
        foreach (var share in (await ListAsync("sharev2", "/shares", "shares")).Where(s => IsOurs(s, "name")))
            rules.AddRange((await ListAsync("sharev2", $"/share-access-rules?share_id={share["id"]!.GetValue<string>()}", "access_list"))
                .Select(r => $"{r["access_to"]!.GetValue<string>()} {r["state"]!.GetValue<string>()}"));
        return rules;
    }

    /// <summary>Everything of the installation that is not a folder of files, by kind.</summary>
    public async Task<IReadOnlyList<string>> EverythingButSharesAsync() =>
    [
        .. (await StacksAsync()).Select(s => $"stack {s}"), .. (await ServersAsync()).Select(s => $"server {s}"),
        .. (await PortsAsync()).Select(p => $"port {p}"), .. (await NetworksAsync()).Select(n => $"network {n}"),
        .. (await RulesAsync()).Select(r => $"rule {r}"),
    ];

    public void Dispose() => _http.Dispose();

    private async Task<IReadOnlyList<string>> NamesAsync(string service, string path, string list, string name = "name") =>
        [.. (await ListAsync(service, path, list)).Where(thing => IsOurs(thing, name)).Select(thing => thing[name]!.GetValue<string>())];

    private async Task<IReadOnlyList<JsonNode>> ListAsync(string service, string path, string list)
    {
        var endpoint = _catalog.Single(s => s!["type"]!.GetValue<string>() == service)!["endpoints"]!.AsArray()
            .First(e => e!["interface"]!.GetValue<string>() == "public")!["url"]!.GetValue<string>();
        var text = await _http.GetStringAsync(endpoint.TrimEnd('/') + path);
        return [.. JsonNode.Parse(text)![list]!.AsArray().Select(thing => thing!)];
    }

    /// <summary>Heat names what is in a stack after it.</summary>
    private bool IsOurs(JsonNode thing, string name) =>
        thing[name] is { } named && named.GetValueKind() == JsonValueKind.String && named.GetValue<string>().StartsWith(_prefix, StringComparison.Ordinal);
}
