using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <param name="Body">As received.</param>
internal sealed record Received(string Method, string Path, string Query, string Body, long? Length, string Token, string Version);

/// <summary>
/// A server on this host that answers as real services were recorded to, and the portal's own adapter, registered as the product does, against it.
/// Keystone is there; what else answers is set by each test.
/// </summary>
internal sealed class RecordedCloud : IAsyncDisposable
{
    public const string Password = "correct-horse-battery", Key = "physics";
    private readonly WebApplication _server;
    private readonly ServiceProvider _services;
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-credentials").FullName;
    private int _tokens;

    private RecordedCloud(WebApplication server, string address, Action<Dictionary<string, string?>>? change)
    {
        _server = server;
        Address = address;
        File.WriteAllText(Path.Combine(_folder, Key + ".json"), JsonSerializer.Serialize(new
        {
            auth_url = address + "/v3",
            region = "RegionOne",
            @interface = "public",
            user = "portal",
            password = Password,
            user_domain = "Default",
            project = "physics",
            project_domain = "Default",
        }));
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Installation:Id"] = "t123456789",
            ["Clouds:OpenStack:Credentials"] = _folder,
            ["Clouds:OpenStack:CallDeadline"] = "00:00:05",
        };
        change?.Invoke(settings);
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
        _services = new ServiceCollection().AddSingleton(TimeProvider.System)
            .AddLogging(l => l.SetMinimumLevel(LogLevel.Trace).AddProvider(new Lines(Log)))
            .AddOpenStackCloud(configuration).BuildServiceProvider();
    }

    public string Address { get; }

    /// <summary>What the adapter wrote to the log, at every level.</summary>
    public ConcurrentQueue<string> Log { get; } = new();

    public ConcurrentQueue<Received> Requests { get; } = new();

    /// <summary>Answers by "METHOD /path"; the last one registered for a path.</summary>
    public ConcurrentDictionary<string, Func<HttpContext, Task>> Answers { get; } = new(StringComparer.Ordinal);

    /// <summary>Tokens that were issued and are accepted.</summary>
    public ConcurrentDictionary<string, bool> Tokens { get; } = new(StringComparer.Ordinal);

    /// <summary>How long a token lives, as Keystone says.</summary>
    public TimeSpan Life { get; set; } = TimeSpan.FromHours(1);

    public OpenStackCloud Cloud => _services.GetRequiredService<OpenStackClouds>().Of(Key);
    public IServiceProvider Services => _services;
    public int SignIns => Requests.Count(r => r.Path == "/v3/auth/tokens");

    public static async Task<RecordedCloud> StartAsync(Action<Dictionary<string, string?>>? change = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = builder.Build();
        RecordedCloud? cloud = null;
        server.Run(http => cloud!.AnswerAsync(http));
        await server.StartAsync();
        var address = server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return cloud = new(server, address, change);
    }

    /// <summary>Registers an answer.</summary>
    public void On(string call, int status, string json, string type = "application/json") => Answers[call] = http => SayAsync(http, status, json, type);

    public static async Task SayAsync(HttpContext http, int status, string json, string type = "application/json")
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = type;
        http.Response.Headers["x-openstack-request-id"] = "req-7d1f";
        http.Response.ContentLength = Encoding.UTF8.GetByteCount(json);
        await http.Response.WriteAsync(json);
    }

    /// <summary>Manila with this newest version, as a project sees it.</summary>
    public void Manila(string newest) => On("GET /share/", 300, $$"""
        {"versions": [
          {"id": "v1.0", "status": "DEPRECATED", "version": "", "min_version": "", "updated": "2015-08-27T11:33:21Z", "links": [], "media-types": []},
          {"id": "v2.0", "status": "CURRENT", "version": "{{newest}}", "min_version": "2.0", "links": [], "media-types": []}]}
        """);

    private async Task AnswerAsync(HttpContext http)
    {
        var request = http.Request;
        using var reader = new StreamReader(request.Body);
        var received = new Received(request.Method, request.Path.Value!, request.QueryString.Value ?? "", await reader.ReadToEndAsync(),
            request.ContentLength, request.Headers["X-Auth-Token"].ToString(), request.Headers["X-OpenStack-Manila-API-Version"].ToString());
        Requests.Enqueue(received);
        if (Answers.TryGetValue($"{request.Method} {request.Path}", out var answer)) await answer(http);
        else if (received is { Method: "POST", Path: "/v3/auth/tokens" }) await SignInAsync(http);
        else if (!Tokens.GetValueOrDefault(received.Token)) await SayAsync(http, 401, """{"error": {"code": 401, "message": "Authentication is required."}}""");
        else await SayAsync(http, 404, """{"itemNotFound": {"code": 404, "message": "The resource could not be found."}}""");
    }

    /// <summary>Every service checks the token first.</summary>
    public Func<HttpContext, Task> WithToken(Func<HttpContext, Task> answer) => async http =>
    {
        if (Tokens.GetValueOrDefault(http.Request.Headers["X-Auth-Token"].ToString())) await answer(http);
        else await SayAsync(http, 401, "Authentication required", "text/plain");
    };

    public async Task SignInAsync(HttpContext http)
    {
        var token = $"gAAAAA-secret-token-{Interlocked.Increment(ref _tokens)}";
        Tokens[token] = true;
        http.Response.Headers["X-Subject-Token"] = token;
        var now = DateTimeOffset.UtcNow;
        string Service(string type, string path) => $$"""
            {"type": "{{type}}", "name": "{{type}}", "endpoints": [
              {"interface": "admin", "region": "RegionOne", "region_id": "RegionOne", "url": "http://127.0.0.1:1/wrong"},
              {"interface": "public", "region": "RegionTwo", "region_id": "RegionTwo", "url": "http://127.0.0.1:1/wrong"},
              {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": "{{Address}}{{path}}"}]}
            """;
        string[] catalog = [Service("share", "/share/v1/p1"), Service("sharev2", "/share/v2"), Service("orchestration", "/heat/v1/p1"),
            Service("compute", "/nova/v2.1"), Service("network", "/neutron"), Service("image", "/image")];
        await SayAsync(http, 201, $$"""
            {"token": {"methods": ["password"], "user": {"id": "u1", "name": "portal", "domain": {"id": "default", "name": "Default"} },
              "project": {"id": "p1", "name": "physics"}, "roles": [{"id": "1", "name": "member"}],
              "issued_at": "{{now:yyyy-MM-ddTHH:mm:ss.ffffff}}Z", "expires_at": "{{now + Life:yyyy-MM-ddTHH:mm:ss.ffffff}}Z",
              "catalog": [{{string.Join(',', catalog)}}]} }
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class Lines(ConcurrentQueue<string> to) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            to.Enqueue($"{logLevel} {formatter(state, exception)} {exception}");

        public void Dispose() { }
    }
}
