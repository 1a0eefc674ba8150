using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Metrics;

/// <summary>The rows of measurements.</summary>
public static class MetricRows
{
    extension(PortalDb db)
    {
        public DbSet<Sample> Samples => db.Set<Sample>();
        public DbSet<Count> Counts => db.Set<Count>();
    }
}
