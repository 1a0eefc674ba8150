using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Jobs.Catalog;
using Portal.TestKit;

namespace Portal.IntegrationTests.Catalog;

/// <summary>Jobs' publisher over a test's own folders, with a database of its own.</summary>
public sealed class TestCatalog : IAsyncDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("portal-catalog-").FullName;
    private readonly ServiceProvider _services;

    private TestCatalog(TestDatabase database)
    {
        Database = database;
        _services = new ServiceCollection().AddLogging().AddSingleton(NpgsqlDataSource.Create(database.Jobs))
            .AddDbContextFactory<PortalDb>((services, db) =>
                PortalData.Configure(db, services.GetRequiredService<NpgsqlDataSource>()).AddInterceptors(new Beginnings(this))).BuildServiceProvider();
        Directory.CreateDirectory(Shipped);
        Directory.CreateDirectory(Added);
        Restart();
    }

    public TestDatabase Database { get; }
    public string Shipped => Path.Combine(_root, "shipped");
    public string Added => Path.Combine(_root, "added");
    public string Store => Path.Combine(_root, "store");
    public TemplateFolders Folders => new(Shipped, [Added]) { Every = TimeSpan.FromMilliseconds(50) };
    public PublishTemplates Publisher { get; private set; } = null!;

    /// <summary>Called when the publisher begins a transaction.</summary>
    public Action OnTransaction { get; set; } = () => { };

    public static async Task<TestCatalog> OpenAsync(CancellationToken cancel, TestDatabase? database = null) =>
        new(database ?? await TestDatabase.CreateAsync(cancel));

    /// <summary>Like a process that has just started: it knows only what the rows and folders say.</summary>
    public void Restart() => RestartWith(TimeProvider.System);

    /// <summary>The same, with a clock of the test's own.</summary>
    public void RestartWith(TimeProvider clock) =>
        Publisher = new(_services.GetRequiredService<IDbContextFactory<PortalDb>>(), _services.GetRequiredService<NpgsqlDataSource>(), Folders,
            new(Store), clock, NullLogger<PublishTemplates>.Instance);

    /// <summary>Two scans, as many as an unchanged folder needs.</summary>
    public async Task<IReadOnlyList<TemplateFault>> LookTwiceAsync(CancellationToken cancel)
    {
        await Publisher.RunAsync(cancel);
        return await Publisher.RunAsync(cancel);
    }

    public static string Yaml(string id, string title = "A template") => $"""
        id: {id}
        title: {title}
        promise: Something to work with.
        engine: JupyterLab
        version: "1"
        sizes: [{"{"}id: s, title: Small, vcpu: 1, memoryMib: 512{"}"}]
        roles: [{"{"}name: notebook, image: python, command: [start-notebook], token: TOKEN{"}"}]
        apps: [{"{"}id: lab, title: Notebook, role: notebook, port: 8888, path: /lab, kernels: true{"}"}]
        """;

    public static void Write(string root, string id, string? yaml = null, string? file = null, string? content = null)
    {
        var path = Path.Combine(root, id, file ?? "template.yaml");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content ?? yaml ?? Yaml(id));
    }

    public async Task<IReadOnlyList<TemplateVersion>> OfferedAsync(CancellationToken cancel)
    {
        await using var db = Database.Open();
        return await db.TemplateVersions.AsNoTracking().Where(t => !t.Retired).OrderBy(t => t.TemplateId).ToListAsync(cancel);
    }

    public async Task<IReadOnlyList<TemplateFaultRow>> FaultsAsync(CancellationToken cancel)
    {
        await using var db = Database.Open();
        return await db.TemplateFaults.AsNoTracking().OrderBy(f => f.File).ToListAsync(cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        await Database.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private sealed class Beginnings(TestCatalog catalog) : DbTransactionInterceptor
    {
        public override ValueTask<DbTransaction> TransactionStartedAsync(DbConnection connection, TransactionEndEventData eventData,
            DbTransaction result, CancellationToken cancellationToken = default)
        {
            catalog.OnTransaction();
            return base.TransactionStartedAsync(connection, eventData, result, cancellationToken);
        }
    }
}
