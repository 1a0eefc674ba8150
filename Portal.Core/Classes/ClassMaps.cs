using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.People;
using Portal.Core.Quotas;

namespace Portal.Core.Classes;

internal sealed class TenantMap : IEntityTypeConfiguration<Tenant>
{
    public void Configure(EntityTypeBuilder<Tenant> builder)
    {
        builder.Property(t => t.Slug).HasMaxLength(40);
        builder.Property(t => t.Name).HasMaxLength(200);
        builder.HasIndex(t => t.Slug).IsUnique();
        builder.ComplexProperty(t => t.Limits);
        builder.Property(t => t.PoolKey).HasMaxLength(100);
        builder.HasIndex(t => t.PoolKey);
        builder.HasOne<Pool>().WithMany().HasForeignKey(t => t.PoolKey).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<Membership>().WithOne().HasForeignKey(m => m.TenantId).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<Reservation>().WithOne().HasForeignKey(r => r.TenantId).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<WorkFolder>().WithOne().HasForeignKey(f => f.TenantId).OnDelete(DeleteBehavior.Restrict);
    }
}

internal sealed class ClassMap : IEntityTypeConfiguration<Class>
{
    public void Configure(EntityTypeBuilder<Class> builder)
    {
        builder.Property(c => c.Slug).HasMaxLength(40);
        builder.Property(c => c.Title).HasMaxLength(200);
        builder.HasIndex(c => new { c.TenantId, c.Slug }).IsUnique();
        builder.HasOne<Tenant>().WithMany().HasForeignKey(c => c.TenantId).OnDelete(DeleteBehavior.Restrict);
        builder.ComplexProperty(c => c.Limits);
        builder.ComplexProperty(c => c.MemberLimits);
        builder.HasMany<Membership>().WithOne().HasForeignKey(m => m.ClassId).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<Reservation>().WithOne().HasForeignKey(r => r.ClassId).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<WorkFolder>().WithOne().HasForeignKey(f => f.ClassId).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<TemplateClass>().WithOne().HasForeignKey(c => c.ClassId).OnDelete(DeleteBehavior.Cascade);
    }
}
