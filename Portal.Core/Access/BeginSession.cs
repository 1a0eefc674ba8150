using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Data;

namespace Portal.Core.Access;

/// <summary>How long a sign-in lasts.</summary>
public static class SessionRules
{
    /// <summary>Maximum time without activity.</summary>
    public static readonly TimeSpan Idle = TimeSpan.FromHours(12);

    /// <summary>Maximum time in total, however active.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(7);

    /// <summary>Extended at most this often, so that most requests write nothing.</summary>
    public static readonly TimeSpan Touch = TimeSpan.FromHours(1);

    /// <summary>Maximum time from requesting a ticket to using it.</summary>
    public static readonly TimeSpan Ticket = TimeSpan.FromMinutes(1);

    /// <summary>How long Jobs' own kernel check may use an app.</summary>
    public static readonly TimeSpan Proof = TimeSpan.FromMinutes(2);
}

/// <summary>Signs a person in. The caller must have verified who they are.</summary>
public sealed class BeginSession(IDbContextFactory<PortalDb> databases)
{
    /// <summary>The key for the browser's cookie; null if there is no such person.</summary>
    public async Task<string?> RunAsync(Guid person, CancellationToken cancel)
    {
        var key = Secret.New();
        var hash = Secret.Hash(key);
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        var made = await db.Database.ExecuteSqlAsync($"""
            insert into portal.sessions (hash, person_id, expires_at)
            select {hash}, id, clock_timestamp() + {SessionRules.Idle} from portal.persons where id = {person}
            """, cancel);
        if (made == 0) return null;
        db.Audit.Add(new() { ActorId = person, Verb = nameof(BeginSession), Outcome = "accepted" });
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return key;
    }
}
