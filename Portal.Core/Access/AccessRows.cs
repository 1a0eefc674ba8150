using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Access;

/// <summary>The rows of sessions and tickets.</summary>
public static class AccessRows
{
    extension(PortalDb db)
    {
        public DbSet<Session> Sessions => db.Set<Session>();
        public DbSet<AppTicket> AppTickets => db.Set<AppTicket>();
        public DbSet<AppSession> AppSessions => db.Set<AppSession>();
    }
}
