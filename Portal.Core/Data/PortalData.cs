using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Portal.Core.Data;

public static class PortalData
{
    /// <summary>
    /// A process that freezes inside a transaction keeps its connection and locks, and all others would wait for it. So the database ends transactions
    /// that are idle for longer than any pause of a healthy process. For calls to clouds under a lock see LongLock in Portal.Jobs.
    /// </summary>
    public const string EndsSilentTransactions = "-c idle_in_transaction_session_timeout=10s";

    /// <summary>One data source per process, for EF and for LISTEN. <c>ConnectionStrings:portal</c> names the role.</summary>
    public static IServiceCollection AddPortalData(this IServiceCollection services, IConfiguration configuration)
    {
        var connection = configuration.GetConnectionString("portal")
            ?? throw new InvalidOperationException("ConnectionStrings:portal is not set: it names the database and the role of this process.");
        services.AddNpgsqlDataSource(connection, source =>
        {
            source.ConnectionStringBuilder.ApplicationName ??= "portal";
            source.ConnectionStringBuilder.Options ??= EndsSilentTransactions;
            source.ConnectionStringBuilder.NoResetOnClose = true; // sessions only ever LISTEN, and keep their connections; each reset is a statement
            source.ConnectionStringBuilder.MaxAutoPrepare = 60; // the same few statements over and over: planning them was half the database's work
            source.ConnectionStringBuilder.KeepAlive = 30; // a LISTEN connection is silent for hours
        });
        services.AddHostedService<OutOfMemory>();
        return services.AddDbContextFactory<PortalDb>((provider, db) => Configure(db, provider.GetRequiredService<NpgsqlDataSource>()));
    }

    public static DbContextOptionsBuilder Configure(DbContextOptionsBuilder db, NpgsqlDataSource source) =>
        Configure(db).UseNpgsql(source, pg => pg.MigrationsHistoryTable("migrations", PortalDb.Schema));

    internal static DbContextOptionsBuilder Configure(DbContextOptionsBuilder db) => db.UseSnakeCaseNamingConvention();
}
