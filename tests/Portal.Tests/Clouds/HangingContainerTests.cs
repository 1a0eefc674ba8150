using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;

namespace Portal.Tests.Clouds;

/// <summary>A container engine that never answers for one container, as real ones do when a container hangs: the others are still seen and measured.</summary>
public sealed class HangingContainerTests : IAsyncLifetime
{
    private static readonly Guid Workspace = Guid.Parse("0191d2f0-0000-7000-8000-000000000001");

    /// <summary>Well before the client itself gives up.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portal-test-engine");
    private readonly TaskCompletionSource _never = new(), _requested = new();
    private readonly Owned _owned = new("t123456789");
    private WebApplication? _app;
    private string _state = "running";

    private string Socket => Path.Combine(_folder.FullName, "engine.sock");
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.ListenUnixSocket(Socket));
        _app = builder.Build();
        _app.MapGet("/version", () => Json(new { Version = "28.2", ApiVersion = "1.44", MinAPIVersion = "1.24" }));
        _app.MapGet("/v1.44/containers/json", () => Json(new[] { Container("hangs"), Container("notebook"), Container("worker0") }));
        _app.MapGet("/v1.44/networks", () => Json(Array.Empty<object>()));
        _app.MapGet("/v1.44/containers/{id}/stats",
            (string id, HttpContext http) =>
                AnswerAsync(id, http, new
                {
                    memory_stats = new { usage = 1 << 20, limit = 2 << 20, stats = new { } },
                    cpu_stats = new { cpu_usage = new { total_usage = 1 } }
                }));
        _app.MapGet("/v1.44/containers/{id}/json", (string id, HttpContext http) => AnswerAsync(id, http, new { Id = id, State = new { OOMKilled = true } }));
        await _app.StartAsync(Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        _never.TrySetResult();
        if (_app is not null) await _app.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Read_OneNeverAnswers_TheOthersAreMeasured()
    {
        using var containerEngine = new ContainerEngine(new EngineAddress.Socket(Socket));

        (await new NodeReadings(containerEngine, _owned, TimeProvider.System).ReadAsync(Cancel).WaitAsync(Soon, TimeProvider.System, Cancel))
            .Select(s => s.Node)
            .ShouldBe(["notebook", "worker0"]);
    }

    [Fact]
    public async Task See_OneNeverAnswers_AllAreSeenAndWhatItDidNotSayIsAskedAgain()
    {
        using var containerEngine = new ContainerEngine(new EngineAddress.Socket(Socket));
        _state = "exited";
        var look = new ClusterLook(containerEngine, new Networks(containerEngine), _owned, TimeProvider.System);

        (await look.SeeAsync(workspace: null, Cancel).WaitAsync(Soon, TimeProvider.System, Cancel)).ShouldHaveSingleItem().Nodes
            .Select(n => (n.Name, n.State, n.OutOfMemory))
            .ShouldBe([("hangs", NodeState.Exited, false), ("notebook", NodeState.Exited, true), ("worker0", NodeState.Exited, true)]);
        _never.SetResult();
        (await look.SeeAsync(workspace: null, Cancel)).ShouldHaveSingleItem().Nodes.ShouldAllBe(n => n.OutOfMemory);
    }

    [Fact]
    public async Task Read_Cancelled_IsCancelled()
    {
        using var containerEngine = new ContainerEngine(new EngineAddress.Socket(Socket));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var reading = new NodeReadings(containerEngine, _owned, TimeProvider.System).ReadAsync(stop.Token);
        await Task.WhenAny(_requested.Task, reading);

        await stop.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => reading);
    }

    /// <summary>Property names unchanged, as the container engine has them.</summary>
    private static IResult Json(object answer) => Results.Json(answer, JsonSerializerOptions.Default);

    private object Container(string node) => new
    {
        Id = node,
        State = _state,
        Status = _state == "exited" ? "Exited (137) 3 minutes ago" : "Up",
        Labels = new Dictionary<string, string>(_owned.Labels(Workspace, 1), StringComparer.Ordinal) { [Owned.Node] = node, [Owned.Vcpus] = "1" },
    };

    private async Task<IResult> AnswerAsync(string id, HttpContext http, object answer)
    {
        if (id == "hangs")
        {
            _requested.TrySetResult();
            await _never.Task.WaitAsync(http.RequestAborted);
        }
        return Json(answer);
    }
}
