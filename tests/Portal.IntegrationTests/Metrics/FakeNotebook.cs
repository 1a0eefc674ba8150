using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Portal.IntegrationTests.Metrics;

/// <summary>Answers like a notebook server and a compute engine; the test decides what.</summary>
public sealed class FakeNotebook : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly TaskCompletionSource _never = new();
    private int _requests;

    private FakeNotebook(WebApplication app) => _app = app;

    public string Kernels { get; set; } = "[]";
    public string Terminals { get; set; } = "[]";
    public string Tasks { get; set; } = """{"running": 0}""";
    public int Status { get; set; } = StatusCodes.Status200OK;
    public bool Hangs { get; set; }
    public string? Token { get; private set; }
    public int Requests => _requests;
    public int Port => new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;

    public static async Task<FakeNotebook> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var fake = new FakeNotebook(builder.Build());
        fake._app.MapGet("/api/kernels", http => fake.SayAsync(http, () => fake.Kernels));
        fake._app.MapGet("/api/terminals", http => fake.SayAsync(http, () => fake.Terminals));
        fake._app.MapGet("/tasks", http => fake.SayAsync(http, () => fake.Tasks));
        await fake._app.StartAsync();
        return fake;
    }

    public static string Kernel(DateTimeOffset at, string state = "idle") =>
        $$"""[{"id": "1", "name": "python3", "last_activity": "{{at:yyyy-MM-ddTHH:mm:ss.ffffffZ}}", "execution_state": "{{state}}", "connections": 1}]""";

    public static string Terminal(DateTimeOffset at) => $$"""[{"name": "1", "last_activity": "{{at:yyyy-MM-ddTHH:mm:ss.ffffffZ}}"}]""";

    public async ValueTask DisposeAsync()
    {
        _never.TrySetResult();
        await _app.DisposeAsync();
    }

    private async Task SayAsync(HttpContext http, Func<string> what)
    {
        Interlocked.Increment(ref _requests);
        if (http.Request.Headers.Authorization is [{ } authorization]) Token = authorization;
        if (Hangs) await _never.Task.WaitAsync(http.RequestAborted);
        (http.Response.StatusCode, http.Response.ContentType) = (Status, "application/json");
        await http.Response.WriteAsync(what());
    }
}
