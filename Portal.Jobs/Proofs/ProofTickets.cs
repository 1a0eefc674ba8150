using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Data;

namespace Portal.Jobs.Proofs;

/// <summary>Jobs' own tickets: without a portal session, for one app of the current generation, valid for one minute and giving access for two.</summary>
public sealed class ProofTickets(IDbContextFactory<PortalDb> databases)
{
    /// <param name="person">The workspace's owner.</param>
    public async Task<string> NewAsync(Guid workspace, string app, Guid person, CancellationToken cancel)
    {
        var ticket = Secret.New();
        var hash = Secret.Hash(ticket);
        await using var db = await databases.CreateDbContextAsync(cancel);
        await db.Database.ExecuteSqlAsync($"""
            insert into portal.app_tickets (hash, workspace_id, app, person_id, expires_at)
            values ({hash}, {workspace}, {app}, {person}, clock_timestamp() + {SessionRules.Ticket})
            """, cancel);
        return ticket;
    }
}
