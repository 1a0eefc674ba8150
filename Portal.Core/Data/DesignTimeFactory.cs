using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace Portal.Core.Data;

/// <summary>For dotnet-ef, which only compares models and needs no server.</summary>
public sealed class DesignTimeFactory : IDesignTimeDbContextFactory<PortalDb>
{
    public PortalDb CreateDbContext(string[] args)
    {
        var options = new DbContextOptionsBuilder<PortalDb>();
        PortalData.Configure(options).UseNpgsql(pg => pg.MigrationsHistoryTable("migrations", PortalDb.Schema));
        return new PortalDb(options.Options);
    }
}
