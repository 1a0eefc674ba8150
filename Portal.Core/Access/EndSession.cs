using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Data;

namespace Portal.Core.Access;

/// <summary>Signs a browser out of the portal and of every app it opened. The database notifies every process that holds a connection open.</summary>
public sealed class EndSession(IDbContextFactory<PortalDb> databases)
{
    /// <param name="sessionHash">Hash of the cookie's key; an unknown one counts as already ended.</param>
    public async Task RunAsync(string sessionHash, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        var person = await db.Sessions.Where(s => s.Hash == sessionHash).Select(s => (Guid?)s.PersonId).SingleOrDefaultAsync(cancel);
        await db.AppTickets.Where(t => t.SessionHash == sessionHash).ExecuteDeleteAsync(cancel);
        await db.AppSessions.Where(s => s.SessionHash == sessionHash).ExecuteDeleteAsync(cancel);
        await db.Sessions.Where(s => s.Hash == sessionHash).ExecuteDeleteAsync(cancel);
        if (person is not null) db.Audit.Add(new() { ActorId = person, Verb = nameof(EndSession), Outcome = "accepted" });
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
    }
}
