using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;

namespace Portal.Core.Access;

/// <summary>Who a browser is signed in as.</summary>
/// <param name="Roles">Roles in any class or tenant; each verb decides what they may do to a particular thing.</param>
public sealed record SignedIn(string SessionHash, Guid PersonId, string Name, string Issuer, ImmutableArray<MemberRole> Roles);

/// <summary>Looks up sessions and extends those in use. Times are the database's.</summary>
public sealed class FindSession(IDbContextFactory<PortalDb> databases)
{
    /// <summary>Null if it has ended.</summary>
    public async Task<SignedIn?> RunAsync(string sessionHash, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var row = await (from s in db.Sessions.FromSql($"select * from portal.sessions where hash = {sessionHash} and expires_at > clock_timestamp()")
                         join p in db.Persons on s.PersonId equals p.Id
                         select new { p.Id, p.Name, p.Issuer, Roles = db.Set<Membership>().Where(m => m.PersonId == p.Id).Select(m => m.Role).ToList() })
            .AsNoTracking()
            .SingleOrDefaultAsync(cancel);
        return row is null ? null : new(sessionHash, row.Id, row.Name, row.Issuer, [.. row.Roles.Distinct()]);
    }

    /// <summary>Those of the given sessions that have not ended. They are in use, so each is extended, up to the maximum.</summary>
    public async Task<IReadOnlySet<string>> StillAliveAsync(IReadOnlyCollection<string> sessionHashes, CancellationToken cancel)
    {
        var hashes = sessionHashes.ToArray();
        await using var db = await databases.CreateDbContextAsync(cancel);
        await db.Database.ExecuteSqlAsync($"""
            update portal.sessions set expires_at = least(clock_timestamp() + {SessionRules.Idle}, created_at + {SessionRules.Longest})
            where hash = any({hashes}) and expires_at > clock_timestamp()
              and expires_at < least(clock_timestamp() + {SessionRules.Idle - SessionRules.Touch}, created_at + {SessionRules.Longest})
            """, cancel);
        return (await db.Sessions.FromSql($"select * from portal.sessions where hash = any({hashes}) and expires_at > clock_timestamp()")
            .Select(s => s.Hash)
            .ToListAsync(cancel)).ToHashSet(StringComparer.Ordinal);
    }
}
