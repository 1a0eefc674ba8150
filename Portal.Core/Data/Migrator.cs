using Microsoft.EntityFrameworkCore;

namespace Portal.Core.Data;

/// <summary>Brings schema and grants up to date, as portal_migrator. Idempotent.</summary>
public static class Migrator
{
    /// <summary>Names of the migrations applied by this call.</summary>
    public static async Task<IReadOnlyList<string>> RunAsync(PortalDb db, CancellationToken cancel)
    {
        var pending = await db.Database.SqlQuery<bool>($"select to_regclass('portal.migrations') is null as \"Value\"").SingleAsync(cancel)
            ? [.. db.Database.GetMigrations()]
            : (await db.Database.GetPendingMigrationsAsync(cancel)).ToList();
        if (pending.Count > 0) await db.Database.MigrateAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlRawAsync(Grants.Sql(), cancel);
        await transaction.CommitAsync(cancel);
        return pending;
    }
}
