using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Data;
using Portal.Core.People;

namespace Portal.Core.Quotas;

internal sealed class ReservationMap : IEntityTypeConfiguration<Reservation>
{
    public void Configure(EntityTypeBuilder<Reservation> builder)
    {
        builder.Property(r => r.Id).UseIdentityAlwaysColumn();
        builder.NotWrittenHere(r => r.CreatedAt, MapHelpers.Now);
        builder.NotWrittenHere(r => r.EndedAt);
        builder.HasIndex(r => r.TenantId).HasFilter("ended_at is null");
        builder.HasIndex(r => r.ClassId).HasFilter("ended_at is null");
        builder.HasIndex(r => r.PersonId).HasFilter("ended_at is null");
        builder.Property(r => r.Node).HasMaxLength(40).HasDefaultValue("");
        builder.HasIndex(r => new { r.WorkspaceId, r.Kind, r.Node }).IsUnique().HasFilter("ended_at is null");
        builder.HasIndex(r => r.WorkFolderId).IsUnique().HasFilter("ended_at is null");
        builder.HasOne<Person>().WithMany().HasForeignKey(r => r.PersonId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<WorkFolder>().WithMany().HasForeignKey(r => r.WorkFolderId).OnDelete(DeleteBehavior.Restrict);
        // A negative reservation would create capacity that does not exist.
        builder.ToTable(t => t.HasCheckConstraint("amounts", "vcpu >= 0 and memory_mib >= 0 and storage_gib >= 0 and workspaces >= 0"));
    }
}

internal sealed class CapacityClaimMap : IEntityTypeConfiguration<CapacityClaim>
{
    public void Configure(EntityTypeBuilder<CapacityClaim> builder)
    {
        builder.Property(c => c.Id).UseIdentityAlwaysColumn();
        builder.NotWrittenHere(c => c.CreatedAt, MapHelpers.Now);
        builder.NotWrittenHere(c => c.EndedAt);
        builder.Property(c => c.Node).HasMaxLength(40).HasDefaultValue("");
        builder.HasIndex(c => new { c.WorkspaceId, c.Node }).IsUnique().HasFilter("ended_at is null");
        builder.HasIndex(c => c.RunId);
        builder.Property(c => c.PoolKey).HasMaxLength(100);
        builder.HasIndex(c => c.PoolKey).HasFilter("ended_at is null");
    }
}

internal sealed class WorkFolderMap : IEntityTypeConfiguration<WorkFolder>
{
    public void Configure(EntityTypeBuilder<WorkFolder> builder)
    {
        builder.HasIndex(f => new { f.ClassId, f.PersonId }).IsUnique();
        builder.HasIndex(f => f.PersonId);
        builder.HasIndex(f => f.TenantId);
        builder.NotWrittenHere(f => f.UsedBytes, "null"); // without it a number would count up by itself
        builder.NotWrittenHere(f => f.SeenAt);
        builder.HasOne<Person>().WithMany().HasForeignKey(f => f.PersonId).OnDelete(DeleteBehavior.Restrict);
        builder.ToTable(t => t.HasCheckConstraint("limit_range", "limit_gib between 1 and 100000"));
    }
}
