using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.People;
using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.IntegrationTests.Access;

/// <summary>The web process itself on Kestrel, as role portal_web, with its own database, two classes and an app to open.</summary>
public class WebFixture : IAsyncLifetime
{
    public const string Installation = "t1e2s3t4id";
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-web-").FullName;
    private readonly Dictionary<string, Guid> _persons = new(StringComparer.Ordinal);
    private WebApplication _web = null!;
    private int _names;

    /// <summary>The web process's clock.</summary>
    protected virtual TimeProvider Clock => TimeProvider.System;

    /// <summary>How the web process reaches the database.</summary>
    protected virtual string Connection => Database.Web;

    public TestDatabase Database { get; private set; } = null!;
    public FakeApp App { get; private set; } = null!;
    public int Port { get; } = FreePort();
    public Uri Url => new($"http://portal.localhost:{Port}");
    public string Origin => $"http://portal.localhost:{Port}";
    public string SessionCookie => "__Host-portal-t1e2s";
    public string AppCookie => "__Host-app-t1e2s";
    public Guid Class { get; } = Guid.CreateVersion7();
    public Guid Tenant { get; } = Guid.CreateVersion7();
    public AppToken Tokens { get; private set; } = null!;
    public string JobsSocket => Path.Combine(_folder, "jobs.sock");
    public IServiceProvider Services => _web.Services;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync()
    {
        Database = await TestDatabase.CreateAsync(Cancel);
        App = await FakeApp.StartAsync();
        var key = RandomNumberGenerator.GetBytes(32);
        Tokens = new(key);
        await File.WriteAllTextAsync(Path.Combine(_folder, "installation.key"), Convert.ToHexStringLower(key), Cancel);
        await File.WriteAllTextAsync(Path.Combine(_folder, "metrics.token"), MetricsToken + "\n", Cancel);
        await SeedAsync();
        _web = Portal.Program.Build(Arguments($"http://127.0.0.1:{Port}"), Clock);
        await _web.StartAsync(Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        if (_web is not null) await _web.DisposeAsync();
        if (App is not null) await App.DisposeAsync();
        if (Database is not null) await Database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The token of a monitoring system.</summary>
    public const string MetricsToken = "a-token-of-twenty-and-more";

    public string[] Arguments(string urls, params string[] more) =>
    [
        $"--urls={urls}", $"--ConnectionStrings:portal={Connection}", $"--Installation:Id={Installation}", $"--Installation:KeyFile={_folder}/installation.key",
        $"--Site:PublicUrl={Url}", "--Site:AppsDomain=apps.localhost", "--SignIn:Demo=true", $"--DataProtection:KeysFolder={_folder}/keys",
        $"--Jobs:Socket={JobsSocket}", $"--Metrics:TokenFile={_folder}/metrics.token",
        "--Logging:LogLevel:Default=Warning", "--HostOptions:ShutdownTimeout=00:00:02", .. more,
    ];

    public Visitor Visit() => new(this);

    public Guid Person(string name) => _persons[name];

    public string AppUrl(string slug, string app = "notebook") => $"http://{app}--{slug}.apps.localhost:{Port}";

    /// <summary>Ordered by the verb, then brought to Ready as Jobs would: generation, node and finished run.</summary>
    public async Task<Workspace> WorkspaceAsync(string owner)
    {
        var id = Guid.CreateVersion7();
        var launched = await Services.GetRequiredService<LaunchWorkspace>()
            .RunAsync(new(id, new(Person(owner)), Class, "notebook", "s", $"work {Interlocked.Increment(ref _names)}",
                TimeProvider.System.GetUtcNow().AddHours(2)), Cancel);
        launched.ShouldBeOfType<LaunchOutcome.Accepted>();
        await ReadyAsync(id, generation: 1);
        await using var db = Database.Open();
        return await db.Workspaces.FindAsync([id], Cancel) ?? throw new InvalidOperationException();
    }

    public async Task ReadyAsync(Guid id, int generation)
    {
        await Database.ExecuteAsync($"update portal.workspaces set generation = {generation} where id = {id}", Cancel);
        await Database.ExecuteAsync($"delete from portal.nodes where workspace_id = {id}", Cancel);
        await using (var db = Database.Open())
        {
            db.Nodes.Add(new()
            {
                WorkspaceId = id,
                Name = "notebook",
                Role = "notebook",
                Generation = generation,
                Running = true,
                Address = "127.0.0.1",
                SeenAt = TimeProvider.System.GetUtcNow()
            });
            await db.SaveChangesAsync(Cancel);
        }
        await Database.ExecuteAsync($"update portal.runs set phase = 'Succeeded', ended_at = clock_timestamp() where workspace_id = {id}", Cancel);
    }

    /// <summary>A student of the class, again.</summary>
    public async Task JoinAsync(string name)
    {
        await using var db = Database.Open();
        db.Memberships.Add(new() { Id = Guid.CreateVersion7(), PersonId = Person(name), Role = MemberRole.Student, TenantId = Tenant, ClassId = Class });
        await db.SaveChangesAsync(Cancel);
    }

    /// <summary>Someone who may sign in but belongs to no class.</summary>
    public async Task StrangerAsync(string name)
    {
        if (_persons.ContainsKey(name)) return;
        await using var db = Database.Open();
        db.Persons.Add(new() { Id = _persons[name] = Guid.CreateVersion7(), Issuer = DemoPeople.Issuer, Subject = name, Name = name });
        await db.SaveChangesAsync(Cancel);
    }

    public static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task SeedAsync()
    {
        await using var db = Database.Open();
        await LocalCloud.AddAsync(db, Cancel);
        db.Tenants.Add(new() { Id = Tenant, Slug = "informatics", Name = "Informatics", PoolKey = LocalCloud.Key, Limits = new(1000, 1_000_000, 1000, 1000) });
        db.Classes.Add(new()
        {
            Id = Class,
            TenantId = Tenant,
            Slug = "ds",
            Title = "Data science",
            Limits = new(1000, 1_000_000, 1000, 1000),
            MemberLimits = new(100, 100_000, 10, 50),
            WorkFolderGib = 2,
            LongestHours = 12
        });
        foreach (var (name, role) in ((string, MemberRole)[])[("Ada", MemberRole.Student), ("Alan", MemberRole.Student),
            ("Barbara", MemberRole.Assistant), ("Edsger", MemberRole.Instructor), ("Margaret", MemberRole.TenantAdmin), ("Ken", MemberRole.Operator)])
        {
            var id = _persons[name] = Guid.CreateVersion7();
            db.Persons.Add(new() { Id = id, Issuer = DemoPeople.Issuer, Subject = name, Name = name });
            db.Memberships.Add(
                new()
                {
                    Id = Guid.CreateVersion7(),
                    PersonId = id,
                    Role = role,
                    TenantId = role is MemberRole.Operator ? null : Tenant,
                    ClassId = role is MemberRole.Operator or MemberRole.TenantAdmin ? null : Class
                });
        }
        var real = _persons["Real"] = Guid.CreateVersion7();
        db.Persons.Add(new() { Id = real, Issuer = "https://login.example.org", Subject = "real", Name = "Real" });
        var spec = new TemplateSpec("notebook", "Notebook", "Works", "jupyter", "1",
            [new("s", "Small", "", 1, 512), new("l", "Large", "", 64, 400_000)],
            [new("notebook", "python", ["start-notebook"], new Dictionary<string, string>(StringComparer.Ordinal), "TOKEN")],
            [new("notebook", "JupyterLab", "", "notebook", App.Port, "/lab", true), new("files", "Files", "", "notebook", App.Port, "/files", false)]);
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(), TemplateId = "notebook", Hash = new('a', 64), Spec = spec });
        db.Images.Add(new()
        {
            PoolKey = LocalCloud.Key,
            Name = "python",
            State = ImageState.Ready,
            Reference = "sha256:test",
            UpdatedAt = TimeProvider.System.GetUtcNow(),
        });
        await db.SaveChangesAsync(Cancel);
    }
}
