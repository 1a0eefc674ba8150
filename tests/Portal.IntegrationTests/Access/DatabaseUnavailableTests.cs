using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Access;

/// <summary>A web process whose connection to the database a test can cut.</summary>
public sealed class CutWeb : WebFixture
{
    private SocketRelay? _relay;

    public SocketRelay Relay =>
        _relay ??= SocketRelay.Start(Path.Combine(new NpgsqlConnectionStringBuilder(TestDatabase.Server).Host!, SocketName), SocketName);

    private const string SocketName = ".s.PGSQL.5432"; // how every client interprets a folder

    protected override string Connection => new NpgsqlConnectionStringBuilder(Database.Web) { Host = Path.GetDirectoryName(Relay.Path) }.ConnectionString;
}

/// <summary>While the database is unavailable everything says so, with 503 and when to retry, and works again when it is back.</summary>
public sealed class DatabaseUnavailableTests(CutWeb web) : IClassFixture<CutWeb>
{
    private const string Message = "The portal cannot reach its database at the moment";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Api_EveryEndpoint_AnswersUnavailableWithASentence()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        var workspace = await web.WorkspaceAsync("Ada");
        var endpoints = web.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => e.RoutePattern.RawText?.StartsWith("/api/v1/", StringComparison.Ordinal) == true && e.RoutePattern.RawText != "/api/v1/openapi.json")
            .SelectMany(e => e.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods,
                (e, method) => (Path: PathOf(e, workspace.Id), Method: new HttpMethod(method))).ToList();
        endpoints.Count.ShouldBeGreaterThan(12);
        await web.Relay.CutAsync();
        try
        {
            foreach (var (path, method) in endpoints)
            {
                using var body = method == HttpMethod.Get || method == HttpMethod.Delete ? null
                    : JsonContent.Create(new
                    {
                        id = Guid.CreateVersion7(),
                        classId = web.Class,
                        templateId = "notebook",
                        size = "s",
                        name = "x",
                        endAt = TimeProvider.System.GetUtcNow().AddHours(1),
                        hours = 1,
                        workers = 1,
                        reason = "r",
                        classes = Array.Empty<Guid>(),
                        minutes = 60,
                    });
                using var answer = await ada.SendAsync(method, path, body, web.Origin, h => h.Add("X-Portal-Csrf", "1"));
                await MustBeUnavailableAsync(answer, $"{method} {path}", "application/problem+json");
                var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel)).RootElement;
                problem.GetProperty("detail").GetString()!.ShouldStartWith(Message);
                problem.GetProperty("status").GetInt32().ShouldBe(503);
            }
        }
        finally
        {
            web.Relay.Restore();
        }
        using var again = await ada.GetAsync($"/api/v1/workspaces/{workspace.Id}");
        again.StatusCode.ShouldBe(HttpStatusCode.OK, "without a restart");
    }

    [Fact]
    public async Task Pages_SignInAndApps_SayItWithARemedy()
    {
        using var ada = web.Visit();
        using var stranger = web.Visit();
        await ada.SignInAsync("Ada");
        var workspace = await web.WorkspaceAsync("Ada");
        var token = await ada.FormTokenAsync();
        var app = web.AppUrl(workspace.Slug);
        ada.Cookies[(new Uri(app).Authority, web.AppCookie)] = "some-key";
        await web.Relay.CutAsync();
        try
        {
            var page = $"/workspaces/{workspace.Slug}";
            foreach (var path in (string[])["/", "/catalog", page, $"{page}/open/notebook", "/operations/jobs", $"{app}/lab"])
                await MustBePageAsync(await ada.GetAsync(path, Browser), path, path.StartsWith('/') ? path : "/lab");
            await MustBePageAsync(await stranger.GetAsync("/sign-in?returnUrl=%2Fcatalog", Browser), "/sign-in", "/sign-in?returnUrl=%2Fcatalog");
            foreach (var path in (string[])["/sign-in/demo", "/sign-out", $"/workspaces/{workspace.Id}/apps/notebook/open"])
            {
                using var form = new FormUrlEncodedContent([new("person", web.Person("Ada").ToString()), new("__RequestVerificationToken", token)]);
                await MustBePageAsync(await ada.SendAsync(HttpMethod.Post, path, form, web.Origin, Browser), path, $"{web.Origin}/");
            }
            // Programs and scripts get a response of their own kind.
            using var circuit = await ada.SendAsync(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1", new StringContent(""), web.Origin);
            await MustBeUnavailableAsync(circuit, "a circuit", "text/plain");
            using var metrics = await stranger.GetAsync("/metrics", h => h.Authorization = new("Bearer", WebFixture.MetricsToken));
            await MustBeUnavailableAsync(metrics, "/metrics", "text/plain");
            using var health = await stranger.GetAsync("/health");
            health.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        }
        finally
        {
            web.Relay.Restore();
        }
        using var again = await ada.GetAsync("/catalog", Browser);
        again.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Web_ThatStartsWhileItIsUnavailable_SaysTheSameUntilItIsBack()
    {
        await web.Relay.CutAsync();
        var port = WebFixture.FreePort();
        await using var late = Portal.Program.Build(web.Arguments($"http://127.0.0.1:{port}"), TimeProvider.System);
        using var http = new HttpClient();
        try
        {
            await late.StartAsync(Cancel);
            await MustBePageAsync(await RequestAsync("/catalog"), "/catalog", "/catalog");
            await MustBeUnavailableAsync(await RequestAsync("/api/v1/me"), "/api/v1/me", "application/problem+json");
        }
        finally
        {
            web.Relay.Restore();
        }
        (await RequestAsync("/api/v1/me")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized, "it is back");
        await late.StopAsync(Cancel);

        async Task<HttpResponseMessage> RequestAsync(string path)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{port}{path}");
            request.Headers.Host = web.Url.Authority;
            if (!path.StartsWith("/api", StringComparison.Ordinal)) Browser(request.Headers);
            return await http.SendAsync(request, Cancel);
        }
    }

    private static void Browser(HttpRequestHeaders headers) => headers.Accept.ParseAdd("text/html,application/xhtml+xml,*/*;q=0.8");

    private static async Task MustBePageAsync(HttpResponseMessage answer, string what, string again)
    {
        await MustBeUnavailableAsync(answer, what, "text/html");
        var html = await answer.Content.ReadAsStringAsync(Cancel);
        html.ShouldContain($"<p>{Message}");
        html.ShouldContain($"<a href=\"{again}\">Try again</a>");
        answer.Dispose();
    }

    private static async Task MustBeUnavailableAsync(HttpResponseMessage answer, string what, string type)
    {
        var body = await answer.Content.ReadAsStringAsync(Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, $"{what}: {body}");
        answer.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(5), what);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe(type, what);
        foreach (var inner in (string[])["Npgsql", "Exception", "/run/", ".s.PGSQL", "   at "]) body.ShouldNotContain(inner, Case.Sensitive, what);
    }

    private static string PathOf(RouteEndpoint endpoint, Guid id) =>
        "/" + string.Join('/', endpoint.RoutePattern.PathSegments.Select(s => Part(s.Parts[0], id)));

    private static string Part(RoutePatternPart part, Guid id) => part switch
    {
        RoutePatternLiteralPart literal => literal.Content,
        RoutePatternParameterPart { Name: "id" } => id.ToString(),
        _ => "notebook",
    };
}
