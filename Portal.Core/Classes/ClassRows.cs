using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Classes;

/// <summary>The rows of tenants and classes.</summary>
public static class ClassRows
{
    extension(PortalDb db)
    {
        public DbSet<Tenant> Tenants => db.Set<Tenant>();
        public DbSet<Class> Classes => db.Set<Class>();
    }
}
