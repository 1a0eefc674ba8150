using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Quotas;

/// <summary>The rows of reservations and claims on capacity.</summary>
public static class QuotaRows
{
    extension(PortalDb db)
    {
        public DbSet<Reservation> Reservations => db.Set<Reservation>();
        public DbSet<CapacityClaim> CapacityClaims => db.Set<CapacityClaim>();
        public DbSet<WorkFolder> WorkFolders => db.Set<WorkFolder>();
    }
}
