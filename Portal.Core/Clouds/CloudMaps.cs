using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Clouds;

internal sealed class CloudMap : IEntityTypeConfiguration<Cloud>
{
    public void Configure(EntityTypeBuilder<Cloud> builder)
    {
        builder.HasKey(c => c.Key);
        builder.Property(c => c.Key).HasMaxLength(40);
        builder.Property(c => c.Kind).HasMaxLength(40);
        builder.Property(c => c.Title).HasMaxLength(100);
    }
}

internal sealed class PoolMap : IEntityTypeConfiguration<Pool>
{
    public void Configure(EntityTypeBuilder<Pool> builder)
    {
        builder.HasKey(p => p.Key);
        builder.Property(p => p.Key).HasMaxLength(100);
        builder.Property(p => p.CloudKey).HasMaxLength(40);
        builder.Property(p => p.Credential).HasMaxLength(40);
        builder.Property(p => p.Title).HasMaxLength(100);
        builder.ComplexProperty(p => p.Clusters);
        builder.ComplexProperty(p => p.Storage);
        builder.Ignore(p => p.Services);
        builder.Property(p => p.Machines).IsJson(Machines.Exact);
        builder.HasIndex(p => new { p.CloudKey, p.Credential }).IsUnique().AreNullsDistinct(false);
        builder.HasOne<Cloud>().WithMany().HasForeignKey(p => p.CloudKey).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<CapacityClaim>().WithOne().HasForeignKey(c => c.PoolKey).OnDelete(DeleteBehavior.Restrict);
    }
}
