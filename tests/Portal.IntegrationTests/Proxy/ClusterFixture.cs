using System.IO.Compression;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Portal.Core.Catalog;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A web process whose workspaces have three compute nodes besides the notebook: a master and two workers, each with its own address.</summary>
public sealed class ClusterFixture : IAsyncLifetime
{
    private int _names, _blocks;

    public WebFixture Web { get; } = new();
    public FakeApp Engine { get; private set; } = null!;

    /// <summary>What the pages say; each test writes its own.</summary>
    public string Html { get; set; } = "";
    public string? Location { get; set; }

    /// <summary>Two GiB of spaces in a few KiB.</summary>
    public byte[] Bomb { get; } = Pack();

    /// <summary>Released to send the rest of a long page.</summary>
    public TaskCompletionSource Rest { get; set; } = new();

    /// <summary>Each release lets one more byte of a dripping page go.</summary>
    public SemaphoreSlim Drops { get; } = new(0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Web.InitializeAsync();
        Engine = await FakeApp.StartAsync("0.0.0.0", Answer);
        await using var db = Web.Database.Open();
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        var spec = new TemplateSpec("cluster", "Cluster", "Works", "engine", "1", [new("s", "Small", "", 1, 512)],
            [new("notebook", "python", ["start"], none, "TOKEN"), new("master", "python", ["start"], none, null),
                new("worker", "python", ["start"], none, null) { Workers = new(1, 4, 2), ScratchGib = 1 }],
            [new("lab", "Lab", "", "notebook", Web.App.Port, "/lab", true), new("hdfs", "HDFS", "", "master", Engine.Port, "/", false),
                new("node", "Node", "", "worker", Engine.Port, "/node", false)]);
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(), TemplateId = "cluster", Hash = new('c', 64), Spec = spec });
        await db.SaveChangesAsync(Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        if (Engine is not null) await Engine.DisposeAsync();
        await Web.DisposeAsync();
        Drops.Dispose();
    }

    /// <summary>A cluster of this person, who is signed in and has opened these apps.</summary>
    public async Task<(Visitor Visitor, Workspace Workspace, int Block)> OpenAsync(string owner, params string[] apps)
    {
        var visitor = Web.Visit();
        await visitor.SignInAsync(owner);
        var (workspace, block) = await ClusterAsync(owner);
        foreach (var app in apps) await visitor.OpenAsync(workspace.Id, app);
        return (visitor, workspace, block);
    }

    /// <summary>Ready, with nodes at 127.1.n.1 to 127.1.n.4; n is given.</summary>
    public async Task<(Workspace Workspace, int Block)> ClusterAsync(string owner)
    {
        var (id, block) = (Guid.CreateVersion7(), Interlocked.Increment(ref _blocks));
        var launched = await ((LaunchWorkspace)Web.Services.GetService(typeof(LaunchWorkspace))!)
            .RunAsync(new(id, new(Web.Person(owner)), Web.Class, "cluster", "s", $"cluster {Interlocked.Increment(ref _names)}",
                TimeProvider.System.GetUtcNow().AddHours(2)), Cancel);
        launched.ShouldBeOfType<LaunchOutcome.Accepted>();
        await Web.ReadyAsync(id, 1);
        // frees quota for the next test
        await Web.Database.ExecuteAsync($"update portal.reservations set ended_at = clock_timestamp() where workspace_id = {id}", Cancel);
        await using var db = Web.Database.Open();
        foreach (var (name, role, at) in ((string, string, int)[])[("master", "master", 2), ("worker0", "worker", 3), ("worker1", "worker", 4)])
            db.Nodes.Add(new()
            {
                WorkspaceId = id,
                Name = name,
                Role = role,
                Generation = 1,
                Running = true,
                Address = $"127.1.{block}.{at}",
                SeenAt = TimeProvider.System.GetUtcNow()
            });
        await db.SaveChangesAsync(Cancel);
        return (await db.Workspaces.FindAsync([id], Cancel) ?? throw new InvalidOperationException(), block);
    }

    private static byte[] Pack()
    {
        using var packed = new MemoryStream();
        using (var packing = new BrotliStream(packed, CompressionLevel.Fastest))
        {
            var piece = new byte[16 << 20];
            Array.Fill(piece, (byte)' ');
            for (var i = 0; i < 128; i++) packing.Write(piece);
        }
        return packed.ToArray();
    }

    private void Answer(WebApplication app)
    {
        app.MapGet("/bomb", (HttpContext http) =>
        {
            http.Response.Headers.ContentEncoding = "br";
            return Results.Bytes(Bomb, "text/html");
        });
        app.MapGet("/where", (HttpContext http) => $"{http.Connection.LocalIpAddress}");
        app.MapGet("/page", () => Results.Text(Html, "text/html; charset=utf-8"));
        app.MapGet("/text", () => Results.Text(Html, "text/plain"));
        app.MapGet("/script", () => Results.Text(Html, "text/javascript"));
        app.MapGet("/json", () => Results.Text(Html, "application/json"));
        app.MapGet("/chunked", async (HttpContext http) =>
        {
            http.Response.ContentType = "text/html";
            foreach (var b in Encoding.UTF8.GetBytes(Html))
            {
                await http.Response.Body.WriteAsync(new[] { b }, http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
            }
        });
        app.MapGet("/drip", DripAsync);
        foreach (var (path, pack) in ((string, Func<Stream, Stream>)[])[("gzip", s => new GZipStream(s, CompressionLevel.Fastest)),
            ("br", s => new BrotliStream(s, CompressionLevel.Fastest)), ("deflate", s => new ZLibStream(s, CompressionLevel.Fastest))])
            app.MapGet($"/{path}", async (HttpContext http) =>
            {
                (http.Response.ContentType, http.Response.Headers.ContentEncoding) = ("text/html", path);
                await using var packed = pack(http.Response.Body);
                await packed.WriteAsync(Encoding.UTF8.GetBytes(Html), http.RequestAborted);
            });
        app.MapGet("/long", async (HttpContext http) =>
        {
            http.Response.ContentType = "text/html";
            await http.Response.WriteAsync(Html, http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await Rest.Task.WaitAsync(http.RequestAborted);
            var piece = new byte[1 << 20];
            Array.Fill(piece, (byte)'/');
            for (var i = 0; i < 100; i++) await http.Response.Body.WriteAsync(piece, http.RequestAborted);
            await http.Response.WriteAsync(Html, http.RequestAborted);
        });
        app.MapMethods("/webhdfs/v1/{**file}", ["GET", "PUT"], async (HttpContext http) =>
        {
            if (http.Connection.LocalIpAddress!.ToString().EndsWith(".3", StringComparison.Ordinal))
                return Results.Text(
                    $"{http.Request.Method} {http.Request.Path}{http.Request.QueryString} "
                    + $"{await new StreamReader(http.Request.Body).ReadToEndAsync(http.RequestAborted)}");
            return http.Request.Query.ContainsKey("noredirect")
                ? Results.Text(System.Text.Json.JsonSerializer.Serialize(new { Location }), "application/json")
                : Results.Redirect(Location!, preserveMethod: true);
        });
        app.MapGet("/led", (HttpContext http) =>
        {
            http.Response.StatusCode = 302;
            http.Response.Headers.Location = Location; // Latin-1
        });
    }

    private async Task DripAsync(HttpContext http)
    {
        http.Response.ContentType = "text/html";
        await http.Response.StartAsync(http.RequestAborted);
        await http.Response.Body.FlushAsync(http.RequestAborted);
        foreach (var b in Encoding.UTF8.GetBytes(Html))
        {
            await Drops.WaitAsync(http.RequestAborted);
            await http.Response.Body.WriteAsync(new[] { b }, http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
        }
    }
}
