using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Live;
using Portal.Core.Operations;
using Portal.Core.People;
using Portal.Core.Workspaces;
using Portal.Jobs;
using Portal.Jobs.Clouds;
using Portal.Jobs.Proofs;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.Benchmarks;

/// <summary>
/// An installation in this process for many more workspaces than a machine holds: the product's web and Jobs with all their loops, and its database,
/// on scripted clouds whose notebooks all answer at one small server.
/// </summary>
internal sealed class CrowdSite : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-crowd-").FullName;
    private readonly List<IAsyncDisposable> _parts = [];
    private readonly List<WebSocket> _sockets = [];
    private readonly CancellationTokenSource _closed = new();
    private readonly List<Task> _watchers = [];
    private TestDatabase _database = null!;
    private TestSite _site = null!;
    private WebApplication _web = null!;
    private PublicSite _public = null!;

    public NpgsqlDataSource Rows { get; private set; } = null!;

    public static async Task<CrowdSite> StartAsync(int students, CancellationToken cancel)
    {
        var it = new CrowdSite();
        try
        {
            await it.BuildAsync(students, cancel);
            return it;
        }
        catch
        {
            await it.DisposeAsync();
            throw;
        }
    }

    /// <summary>Launches so many, each of the next student, but the first of them all of the first student; returns once they run.</summary>
    public async Task<IReadOnlyList<Guid>> LaunchAsync(int from, int to, int ofFirstStudent, CancellationToken cancel)
    {
        var orders = Enumerable.Range(from, to - from).Select(i => _site.Order(_site.Students[i < ofFirstStudent ? 0 : i], $"crowd {i}")).ToList();
        foreach (var some in orders.Chunk(50))
        {
            foreach (var order in some)
                if (await _site.Get<LaunchWorkspace>().RunAsync(order, cancel) is not LaunchOutcome.Accepted and var outcome)
                    throw new InvalidOperationException($"An order was not accepted: {outcome}");
            await Until.TrueAsync("they run", async () => await ScalarAsync<long>(
                "select count(*) from portal.runs where phase <> 'Succeeded'", cancel) == 0, cancel, TimeSpan.FromMinutes(5));
        }
        return [.. orders.Select(o => o.Id)];
    }

    /// <summary>People look at the pages of these workspaces, at the homes of their students, and one at Operations, until this is disposed.</summary>
    public async Task WatchAsync(IReadOnlyList<Guid> workspaces, int pages, int homes, CancellationToken cancel)
    {
        var (feed, staff) = (_web.Services.GetRequiredService<WorkspaceFeed>(), new Actor(_site.Instructor));
        for (var i = 0; i < pages; i++)
        {
            var slug = await ScalarAsync<string>("select slug from portal.workspaces where id = $1", cancel, workspaces[i % workspaces.Count]);
            Drain(await feed.WatchAsync(staff, slug, _closed.Token));
        }
        for (var i = 0; i < homes; i++) Drain(await feed.WatchHomeAsync(new(_site.Students[workspaces.Count - 1 - i]), _closed.Token));
        Drain(await _web.Services.GetRequiredService<OperationsFeed>().WatchAsync(staff, new(), _closed.Token));
    }

    /// <summary>The first student opens the notebooks of these workspaces, and keeps a connection to each.</summary>
    public async Task OpenAsync(IEnumerable<Guid> workspaces, CancellationToken cancel)
    {
        var browser = new PortalVisit(_public, new(TimeProvider.System));
        await browser.SignInAsync(cancel);
        foreach (var id in workspaces) _sockets.Add(await (await browser.OpenAsync(id, "lab", cancel)).ConnectAsync("/ws", cancel));
    }

    public async Task<T> ScalarAsync<T>(string sql, CancellationToken cancel, params object[] values)
    {
        await using var command = Rows.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return (T)(await command.ExecuteScalarAsync(cancel))!;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var socket in _sockets) socket.Dispose();
        await _closed.CancelAsync();
        await Task.WhenAll(_watchers);
        foreach (var part in Enumerable.Reverse(_parts))
        {
            if (part is IHost host) await host.StopAsync(CancellationToken.None);
            await part.DisposeAsync();
        }
        _public?.Dispose();
        _closed.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task BuildAsync(int students, CancellationToken cancel)
    {
        _parts.Add(_database = await TestDatabase.CreateAsync(cancel));
        _parts.Add(Rows = NpgsqlDataSource.Create(_database.Admin));
        _parts.Add(_site = await TestSite.CreateAsync(_database, students, new(1000, 1_000_000, 1000, 1000), cancel));
        await _database.ExecuteAsync($"update portal.persons set issuer = {DemoPeople.Issuer}, name = 'A' where id = {_site.Students[0]}", cancel);
        await using (var db = _database.Open())
        {
            db.Memberships.Add(new() { Id = TestSite.NewId(), PersonId = _site.Instructor, Role = MemberRole.Operator });
            await db.SaveChangesAsync(cancel);
        }
        var notebooks = await NotebooksAsync(cancel);
        await JobsAsync(new ScriptedClouds((_, _) => Mood.Well)
        {
            MappedPorts = [new(NotebookClient.Port, new(IPAddress.Loopback, new Uri(notebooks.Urls.First()).Port))],
            Reading = Busy,
            FreeBytes = 1L << 58, // a work folder for everybody
        }, cancel);
        await WebAsync(cancel);
    }

    /// <summary>Answers for every notebook: no kernels, and sockets that say nothing.</summary>
    private async Task<WebApplication> NotebooksAsync(CancellationToken cancel)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        _parts.Add(app);
        app.UseWebSockets();
        app.Map("/ws", async (HttpContext http) =>
        {
            using var socket = await http.WebSockets.AcceptWebSocketAsync();
            try { while (socket.State == WebSocketState.Open) await socket.ReceiveAsync(new byte[100], http.RequestAborted); }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException) { }
        });
        app.MapFallback(() => Results.Json(Array.Empty<string>()));
        await app.StartAsync(cancel);
        return app;
    }

    private async Task JobsAsync(ScriptedClouds clouds, CancellationToken cancel)
    {
        var template = Path.Combine("templates", "notebook", "template.yaml");
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_folder, template))!);
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates", "notebook", "template.yaml"), Path.Combine(_folder, template));
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["ConnectionStrings:portal"] = _database.Jobs,
            ["Catalog:Templates"] = Path.Combine(_folder, "templates"),
            ["Catalog:Store"] = Path.Combine(_folder, "published"),
            ["Site:Capacity:Vcpu"] = "100000",
            ["Site:Capacity:MemoryMib"] = "100000000",
            ["Site:Capacity:LaunchesAtOnce"] = "50",
        });
        builder.Services.AddSingleton(TimeProvider.System).AddPortalData(builder.Configuration).AddPortalCore()
            .AddSingleton(new AppToken(new byte[32]))
            .AddSingleton<IClusterCloud>(clouds).AddSingleton<IShareCloud>(clouds).AddSingleton<IFilesetCloud>(clouds).AddSingleton<IImageCloud>(clouds)
            .AddSingleton<INotebookProof>(clouds)
            .AddPortalJobs(builder.Configuration);
        var jobs = builder.Build();
        _parts.Add((IAsyncDisposable)jobs);
        await jobs.StartAsync(cancel);
    }

    private async Task WebAsync(CancellationToken cancel)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "key"), RandomNumberGenerator.GetHexString(64), cancel);
        var port = FreePort();
        var url = $"http://portal.localhost:{port}";
        _web = Portal.Program.Build(
        [
            $"--urls=http://127.0.0.1:{port}", $"--ConnectionStrings:portal={_database.Web}", "--Installation:Id=crowd",
            $"--Installation:KeyFile={_folder}/key",
            $"--Site:PublicUrl={url}", "--Site:AppsDomain=apps.localhost", "--SignIn:Demo=true", $"--DataProtection:KeysFolder={_folder}/keys",
            $"--Jobs:Socket={_folder}/jobs.sock", "--Logging:LogLevel:Default=Error"
        ], TimeProvider.System);
        _parts.Add(_web);
        await _web.StartAsync(cancel);
        _public = new(url, "apps.localhost", $"127.0.0.1:{port}");
    }

    /// <summary>A node at work: every reading differs.</summary>
    private static NodeSample Busy(Guid workspace, NodeStatus node)
    {
        var now = TimeProvider.System.GetUtcNow();
        var running = now.TimeOfDay;
        return new(workspace, node.Name, node.Generation, now, running / 2, running / 100, (200L << 20) + Random.Shared.Next(1 << 20), 1L << 30, 0,
            10 + Random.Shared.Next(10), 1)
        {
            Net = new((long)running.TotalSeconds * 1000, (long)running.TotalSeconds * 1000)
        };
    }

    private void Drain<T>(Live<T>? live)
    {
        if (live is null) throw new InvalidOperationException("There is nothing to watch.");
        _watchers.Add(ReadAsync());

        async Task ReadAsync()
        {
            try { await foreach (var _ in live.Later) { } }
            catch (OperationCanceledException) { }
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
