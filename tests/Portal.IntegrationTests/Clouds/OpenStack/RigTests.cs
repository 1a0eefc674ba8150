using System.Net;
using System.Text;
using System.Text.Json;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>What the rig of <c>infra/openstack</c> promises to the tests and to the portal, asked of its services by plain requests.</summary>
[Trait("Lane", "openstack")]
public sealed class RigTests : IDisposable
{
    private static readonly string[] Services = ["compute", "identity", "image", "network", "orchestration", "placement", "sharev2"];
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });

    private static string Folder => Environment.GetEnvironmentVariable("PORTAL_TEST_OPENSTACK") is { Length: > 0 } folder ? folder
        : throw new InvalidOperationException("PORTAL_TEST_OPENSTACK must name the credentials folder of a rig: infra/openstack/up starts one");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _http.Dispose();

    [Theory, InlineData("informatics"), InlineData("mathematics")]
    public async Task SignIn_CredentialOfAProject_CatalogueNamesEveryService(string project)
    {
        using var answer = await SignInAsync(Credential(project), project);

        answer.StatusCode.ShouldBe(HttpStatusCode.Created);
        var token = await ReadAsync(answer);
        token.GetProperty("token").GetProperty("catalog").EnumerateArray().Select(s => s.GetProperty("type").GetString()).ShouldBeSubsetOf(
            [.. Services, "share", "cloudformation"]);
        Services.ShouldBeSubsetOf(token.GetProperty("token").GetProperty("catalog").EnumerateArray().Select(s => s.GetProperty("type").GetString()!));
    }

    [Fact]
    public async Task SignIn_CredentialOfAnotherProject_IsRefused()
    {
        using var answer = await SignInAsync(Credential("informatics"), "mathematics");

        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public void Credentials_Files_BelongToRootAlone() =>
        Directory.GetFiles(Folder).ShouldAllBe(f => File.GetUnixFileMode(f) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));

    /// <summary>Placement refuses a server that the machine could not carry, since it counts memory and disk once and keeps some for the host.</summary>
    [Fact]
    public async Task Capacity_OfTheOnlyHost_IsWhatTheMachineHas()
    {
        var (token, catalogue) = await AdminAsync();
        var hosts = await GetAsync(token, $"{catalogue["placement"]}/resource_providers");
        var host = hosts.GetProperty("resource_providers").EnumerateArray().ShouldHaveSingleItem().GetProperty("uuid").GetString();

        var inventory = (await GetAsync(token, $"{catalogue["placement"]}/resource_providers/{host}/inventories")).GetProperty("inventories");

        var memory = inventory.GetProperty("MEMORY_MB");
        memory.GetProperty("allocation_ratio").GetDouble().ShouldBe(1);
        memory.GetProperty("reserved").GetInt64().ShouldBeGreaterThanOrEqualTo(4096);
        memory.GetProperty("total").GetInt64().ShouldBeLessThanOrEqualTo(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20);
        inventory.GetProperty("DISK_GB").GetProperty("allocation_ratio").GetDouble().ShouldBe(1);
        inventory.GetProperty("VCPU").GetProperty("total").GetInt32().ShouldBe(Environment.ProcessorCount);
    }

    [Fact]
    public async Task Flavors_OfTheRig_HaveOneTwoAndFourProcessors()
    {
        var (token, catalogue) = await AdminAsync();

        var flavors = await GetAsync(token, $"{catalogue["compute"]}/flavors/detail");

        flavors.GetProperty("flavors").EnumerateArray().Select(f => f.GetProperty("vcpus").GetInt32()).Order().ShouldBe([1, 2, 4]);
    }

    private static JsonElement Credential(string name)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, $"{name}.json")));
        return file.RootElement.Clone();
    }

    private async Task<(string Token, Dictionary<string, string> Catalogue)> AdminAsync()
    {
        using var answer = await SignInAsync(Credential("admin"), "admin");
        var catalogue = (await ReadAsync(answer)).GetProperty("token").GetProperty("catalog").EnumerateArray().ToDictionary(
            s => s.GetProperty("type").GetString()!,
            s => s.GetProperty("endpoints").EnumerateArray().First(e => e.GetProperty("interface").GetString() == "public").GetProperty("url").GetString()!);
        return (answer.Headers.GetValues("X-Subject-Token").Single(), catalogue);
    }

    private async Task<HttpResponseMessage> SignInAsync(JsonElement credential, string project)
    {
        string Of(string name) => credential.GetProperty(name).GetString()!;
        var body = JsonSerializer.Serialize(new
        {
            auth = new
            {
                identity = new
                {
                    methods = new[] { "password" },
                    password = new { user = new { name = Of("user"), domain = new { name = Of("user_domain") }, password = Of("password") } },
                },
                scope = new { project = new { name = project, domain = new { name = Of("project_domain") } } },
            },
        });
        // With its length: chunked bodies are read as empty.
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        return await _http.PostAsync($"{Of("auth_url")}/auth/tokens", content, Cancel);
    }

    private async Task<JsonElement> GetAsync(string token, string url)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { { "X-Auth-Token", token } } };
        using var answer = await _http.SendAsync(request, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, url);
        return await ReadAsync(answer);
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage answer)
    {
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        return json.RootElement.Clone();
    }
}
