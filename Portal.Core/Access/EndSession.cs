using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Access;

/// <summary>Signs a browser out, and out of every app that it opened. The database tells everybody who holds something open.</summary>
public sealed class EndSession(IDbContextFactory<PortalDb> databases)
{
    /// <param name="sessionHash">Of the cookie's key; unknown ones are ended already.</param>
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
