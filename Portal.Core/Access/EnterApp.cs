using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Access;

public abstract record EnterAppOutcome
{
    private EnterAppOutcome() { }

    /// <param name="Key">Key for the cookie of the app's host.</param>
    /// <param name="Path">The app's start page.</param>
    public sealed record Entered(string Key, string Path) : EnterAppOutcome;

    /// <summary>The ticket is unknown, used, expired or for another app, or its session, workspace or
    /// membership has ended; the caller cannot tell which.</summary>
    public sealed record Refused : EnterAppOutcome;
}

/// <summary>Uses a ticket on the host of its app.</summary>
public sealed class EnterApp(IDbContextFactory<PortalDb> databases)
{
    /// <param name="slug">From the host that the ticket was posted to; so is the app.</param>
    public async Task<EnterAppOutcome> RunAsync(string ticket, string slug, string app, CancellationToken cancel)
    {
        var hash = Secret.Hash(ticket);
        var key = Secret.New();
        var keyHash = Secret.Hash(key);
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        // One statement uses it up: of two concurrent attempts only one finds it unused. A ticket posted to a wrong host is used up too.
        var spent = await db.AppTickets
            .FromSql($"select * from portal.app_tickets where hash = {hash} and spent_at is null and expires_at > clock_timestamp()")
            .AsNoTracking()
            .SingleOrDefaultAsync(cancel);
        if (spent is null
            || await db.Database.ExecuteSqlAsync(
                $"update portal.app_tickets set spent_at = clock_timestamp() where hash = {hash} and spent_at is null", cancel) != 1)
            return new EnterAppOutcome.Refused();
        var made = spent.App != app ? 0 : await db.Database.ExecuteSqlAsync($"""
            insert into portal.app_sessions (hash, workspace_id, generation, app, person_id, session_hash, expires_at)
            select {keyHash}, w.id, w.generation, {app}, {spent.PersonId}, {spent.SessionHash}::varchar,
              clock_timestamp() + {(spent.SessionHash is null ? SessionRules.Proof : SessionRules.Longest)}
            from portal.workspaces w where w.id = {spent.WorkspaceId} and w.slug = {slug} and w.deleted_at is null
            """, cancel);
        // The same check as for every later request.
        var access = made == 0 ? null : (await AppAccessReader.ReadAsync(db, [keyHash], cancel)).SingleOrDefault();
        if (access is null) await db.AppSessions.Where(s => s.Hash == keyHash).ExecuteDeleteAsync(cancel);
        await transaction.CommitAsync(cancel);
        return access is null ? new EnterAppOutcome.Refused() : new EnterAppOutcome.Entered(key, access.Path);
    }
}
