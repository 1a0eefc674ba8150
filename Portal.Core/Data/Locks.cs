using Microsoft.EntityFrameworkCore;

namespace Portal.Core.Data;

/// <summary>
/// Advisory locks of a transaction. The web cannot lock rows of tenants and classes, because it may not update them.
/// Always tenant before class, so that two launches cannot deadlock.
/// </summary>
public static class Locks
{
    /// <summary>Held until the transaction ends; until then no one else changes reservations of this tenant and class.</summary>
    public static async Task LockQuotaAsync(this PortalDb db, Guid tenant, Guid @class, CancellationToken cancel)
    {
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock(hashtextextended({"tenant " + tenant}, 0))", cancel);
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock(hashtextextended({"class " + @class}, 0))", cancel);
    }

    /// <summary>Held until the transaction ends; until then no one else changes runs or requested runs of
    /// this workspace. If both are needed, taken after the quota locks.</summary>
    public static Task LockWorkspaceAsync(this PortalDb db, Guid workspace, CancellationToken cancel) =>
        db.Database.ExecuteSqlRawAsync(TakeWorkspace.Replace("$1", "{0}", StringComparison.Ordinal), [workspace], cancel);

    /// <summary>The same lock for statements without a context; $1 is the workspace.</summary>
    public const string TakeWorkspace = "select pg_advisory_xact_lock(hashtextextended('workspace ' || $1::uuid, 0))";

    /// <summary>The same without waiting: false if another transaction holds it.</summary>
    public const string TryWorkspace = "select pg_try_advisory_xact_lock(hashtextextended('workspace ' || $1::uuid, 0)) as \"Value\"";

    /// <summary>The lock of <see cref="LockWorkspaceAsync"/> without waiting: false if another transaction holds it.</summary>
    public static Task<bool> TryLockWorkspaceAsync(this PortalDb db, Guid workspace, CancellationToken cancel) =>
        db.Database.SqlQueryRaw<bool>(TryWorkspace.Replace("$1", "{0}", StringComparison.Ordinal), workspace).SingleAsync(cancel);
}
