using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Audit;

/// <summary>The rows of the audit log.</summary>
public static class AuditRows
{
    extension(PortalDb db)
    {
        public DbSet<AuditEntry> Audit => db.Set<AuditEntry>();
    }
}
