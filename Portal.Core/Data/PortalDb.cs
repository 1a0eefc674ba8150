using Microsoft.EntityFrameworkCore;

namespace Portal.Core.Data;

/// <summary>The portal's rows. The migrator owns them; what web and jobs may do with each column is in <see cref="Grants"/>.</summary>
/// <remarks>
/// It knows no entity: each room has its sets, such as <c>db.Runs</c>, and its maps beside its entities. The compiler allows no such set inside a query's
/// expressions: write <c>db.Set&lt;Run&gt;()</c> there.
/// </remarks>
public sealed class PortalDb(DbContextOptions<PortalDb> options) : DbContext(options)
{
    public const string Schema = "portal";

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.HasDefaultSchema(Schema);
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(PortalDb).Assembly);
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        configurationBuilder.Properties<Enum>().HaveConversion<string>().HaveMaxLength(40);
        configurationBuilder.Properties<string>().HaveMaxLength(4000);
    }
}
