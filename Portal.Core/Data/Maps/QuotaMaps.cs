using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.People;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Data.Maps;

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
        builder.HasOne<Tenant>().WithMany().HasForeignKey(r => r.TenantId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Class>().WithMany().HasForeignKey(r => r.ClassId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Person>().WithMany().HasForeignKey(r => r.PersonId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Workspace>().WithMany().HasForeignKey(r => r.WorkspaceId).OnDelete(DeleteBehavior.Restrict);
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
        builder.HasOne<Workspace>().WithMany().HasForeignKey(c => c.WorkspaceId).OnDelete(DeleteBehavior.Restrict);
        builder.Property(c => c.PoolKey).HasMaxLength(100);
        builder.HasIndex(c => c.PoolKey).HasFilter("ended_at is null");
        builder.HasOne<Run>().WithMany().HasForeignKey(c => c.RunId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Pool>().WithMany().HasForeignKey(c => c.PoolKey).OnDelete(DeleteBehavior.Restrict);
    }
}

internal sealed class WorkFolderMap : IEntityTypeConfiguration<WorkFolder>
{
    public void Configure(EntityTypeBuilder<WorkFolder> builder)
    {
        builder.HasIndex(f => new { f.ClassId, f.PersonId }).IsUnique();
        builder.HasIndex(f => f.PersonId);
        builder.HasIndex(f => f.TenantId);
        builder.NotWrittenHere(f => f.UsedBytes, "0");
        builder.NotWrittenHere(f => f.SeenAt);
        builder.HasOne<Tenant>().WithMany().HasForeignKey(f => f.TenantId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Class>().WithMany().HasForeignKey(f => f.ClassId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Person>().WithMany().HasForeignKey(f => f.PersonId).OnDelete(DeleteBehavior.Restrict);
        builder.ToTable(t => t.HasCheckConstraint("limit_range", "limit_gib between 1 and 100000"));
    }
}

internal sealed class TemplateVersionMap : IEntityTypeConfiguration<TemplateVersion>
{
    public void Configure(EntityTypeBuilder<TemplateVersion> builder)
    {
        builder.Property(t => t.TemplateId).HasMaxLength(40);
        builder.Property(t => t.Hash).HasMaxLength(64);
        builder.Property(t => t.Guide).HasColumnType("text").HasDefaultValue("").Metadata.SetMaxLength(null);
        builder.HasIndex(t => new { t.TemplateId, t.Hash }).IsUnique();
        builder.HasIndex(t => t.TemplateId).IsUnique().HasFilter("not retired").HasDatabaseName("one_offered_version");
        builder.NotWrittenHere(t => t.PublishedAt, MapHelpers.Now);
        builder.NotWrittenHere(t => t.Retired, "false");
        builder.Property(t => t.Spec).HasColumnType("jsonb").Metadata.SetMaxLength(null);
        builder.Property(t => t.Spec).HasConversion(s => JsonSerializer.Serialize(s, JsonSerializerOptions.Web),
            s => JsonSerializer.Deserialize<TemplateSpec>(s, JsonSerializerOptions.Web)!);
    }
}

internal sealed class ImageMap : IEntityTypeConfiguration<ImageRow>
{
    public void Configure(EntityTypeBuilder<ImageRow> builder)
    {
        builder.ToTable("images");
        builder.HasKey(i => new { i.PoolKey, i.Name });
        builder.Property(i => i.PoolKey).HasMaxLength(100);
        builder.Property(i => i.Name).HasMaxLength(40);
    }
}
