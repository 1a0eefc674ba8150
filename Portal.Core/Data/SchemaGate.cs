using Microsoft.EntityFrameworkCore;

namespace Portal.Core.Data;

/// <summary>A process works only with the exact schema it was built for.</summary>
public sealed class SchemaGate(IDbContextFactory<PortalDb> databases)
{
    /// <summary>Prefix of the reason while the database is unavailable; the connection's error message follows, for operators.</summary>
    public const string Unavailable = "The database is not responding";

    /// <summary>Null if the schema is right, else what is wrong and the remedy.</summary>
    public async Task<string?> ReasonAsync(CancellationToken cancel)
    {
        try
        {
            await using var db = await databases.CreateDbContextAsync(cancel);
            var known = db.Database.GetMigrations().ToList();
            var applied = (await db.Database.GetAppliedMigrationsAsync(cancel)).ToList();
            if (known.Except(applied, StringComparer.Ordinal).FirstOrDefault() is { } missing)
                return $"The database lacks the migration {missing}: run Portal.Jobs --migrate.";
            if (applied.Except(known, StringComparer.Ordinal).FirstOrDefault() is { } newer)
                return $"The database has the migration {newer}, which this version does not know: run the newer version.";
            return null;
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException or InvalidOperationException { InnerException: Npgsql.NpgsqlException })
        {
            return $"{Unavailable}: {e.GetBaseException().Message}";
        }
    }
}
