using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Data;

namespace Portal.TestKit;

/// <summary>
/// A separate database with the product's schema, roles and grants. A template is migrated once for each state of the schema
/// and cloned: a clone takes a tenth of a second. PORTAL_TEST_ADMIN names the server, as a connection of role postgres.
/// </summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private const long TemplateLock = 0x706f7274616c;
    private readonly string _admin;

    private TestDatabase(string admin, string name) => (_admin, Name) = (admin, name);

    public string Name { get; }

    /// <summary>Role postgres: for seeding and inspecting.</summary>
    public string Admin => As("postgres");
    public string Migrator => As(Grants.Migrator);
    public string Web => As(Grants.Web);
    public string Jobs => As(Grants.Jobs);

    public static string Server =>
        Environment.GetEnvironmentVariable("PORTAL_TEST_ADMIN")
            ?? throw new InvalidOperationException("PORTAL_TEST_ADMIN is not set; infra/test sets it to a database server.");

    /// <summary>A new clone; dropped when disposed.</summary>
    public static async Task<TestDatabase> CreateAsync(CancellationToken cancel)
    {
        await using var server = await OpenAsync(Server, cancel);
        // One at a time over all processes: "create database … template" needs exclusive access to the template.
        await ExecuteAsync(server, $"select pg_advisory_lock({TemplateLock})", cancel);
        var template = await TemplateAsync(server, cancel);
        var name = $"t_{RandomNumberGenerator.GetHexString(16, lowercase: true)}";
        await ExecuteAsync(server, $"create database {name} template {template}", cancel);
        return new(Server, name);
    }

    /// <summary>The product's context, as role postgres.</summary>
    public PortalDb Open()
    {
        var options = new DbContextOptionsBuilder<PortalDb>();
        options.UseNpgsql(Admin, pg => pg.MigrationsHistoryTable("migrations", PortalDb.Schema)).UseSnakeCaseNamingConvention();
        return new(options.Options);
    }

    /// <summary>SQL as role postgres; returns the rows affected.</summary>
    public async Task<int> ExecuteAsync(FormattableString sql, CancellationToken cancel)
    {
        await using var db = Open();
        return await db.Database.ExecuteSqlAsync(sql, cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await using var server = await OpenAsync(_admin, CancellationToken.None);
        await ExecuteAsync(server, $"drop database if exists {Name} with (force)", CancellationToken.None);
    }

    private string As(string role) => ConnectionString(_admin, Name, role);

    private static string ConnectionString(string server, string database, string role) =>
        new NpgsqlConnectionStringBuilder(server) { Database = database, Username = role, MaxPoolSize = 30, Pooling = true }.ConnectionString;

    private static async Task<string> TemplateAsync(NpgsqlConnection server, CancellationToken cancel)
    {
        string schema;
        await using (var model = new DesignTimeFactory().CreateDbContext([]))
            schema = string.Join('\n', model.Database.GetMigrations()) + model.Database.GenerateCreateScript() + Triggers.Create + Grants.Sql();
        var name = $"tt_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(schema)))[..16]}";
        await using var asked = new NpgsqlCommand($"select count(*) from pg_database where datname = '{name}'", server);
        if ((long)(await asked.ExecuteScalarAsync(cancel))! > 0) return name;

        // Under another name until it is complete: an interrupted run leaves nothing that looks ready.
        await ExecuteAsync(server, $"drop database if exists {name}_new with (force)", cancel);
        await ExecuteAsync(server, $"create database {name}_new", cancel);
        await using (var inside = await OpenAsync(ConnectionString(Server, $"{name}_new", "postgres"), cancel))
            await ExecuteAsync(inside, $"create schema portal authorization {Grants.Migrator}; create schema hangfire authorization {Grants.Jobs}", cancel);
        var options = new DbContextOptionsBuilder<PortalDb>();
        options.UseNpgsql(NotPooled(ConnectionString(Server, $"{name}_new", Grants.Migrator)), pg => pg.MigrationsHistoryTable("migrations", PortalDb.Schema))
            .UseSnakeCaseNamingConvention();
        await using (var db = new PortalDb(options.Options)) await Core.Data.Migrator.RunAsync(db, cancel);
        await ExecuteAsync(server, $"alter database {name}_new rename to {name}", cancel);
        return name;
    }

    private static string NotPooled(string connection) => new NpgsqlConnectionStringBuilder(connection) { Pooling = false }.ConnectionString;

    private static async Task<NpgsqlConnection> OpenAsync(string connection, CancellationToken cancel)
    {
        var opened = new NpgsqlConnection(NotPooled(connection));
        await opened.OpenAsync(cancel);
        return opened;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancel);
    }
}
