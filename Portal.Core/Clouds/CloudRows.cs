using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Clouds;

/// <summary>The rows of clouds and their pools.</summary>
public static class CloudRows
{
    extension(PortalDb db)
    {
        public DbSet<Cloud> Clouds => db.Set<Cloud>();
        public DbSet<Pool> Pools => db.Set<Pool>();
    }
}
