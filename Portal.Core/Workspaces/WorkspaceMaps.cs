using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

internal sealed class WorkspaceMap : IEntityTypeConfiguration<Workspace>
{
    public void Configure(EntityTypeBuilder<Workspace> builder)
    {
        builder.Property(w => w.Slug).HasMaxLength(10);
        builder.Property(w => w.Name).HasMaxLength(40);
        builder.Property(w => w.SizeId).HasMaxLength(20);
        builder.Property(w => w.Parameters).IsJsonObject();
        builder.Property(w => w.Workers).HasDefaultValue(0);
        builder.NotWrittenHere(w => w.ActiveAt);
        builder.NotWrittenHere(w => w.ActiveBy);
        builder.HasIndex(w => w.Slug).IsUnique();
        builder.HasIndex(w => new { w.PersonId, w.Name }).IsUnique().HasFilter("deleted_at is null");
        builder.HasIndex(w => w.ClassId);
        builder.HasIndex(w => w.TenantId);
        builder.HasIndex(w => w.TemplateVersionId);
        builder.HasIndex(w => w.WorkFolderId);
        builder.HasIndex(w => w.EndAt).HasFilter("deleted_at is null");
        builder.HasOne<Tenant>().WithMany().HasForeignKey(w => w.TenantId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Class>().WithMany().HasForeignKey(w => w.ClassId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Person>().WithMany().HasForeignKey(w => w.PersonId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<TemplateVersion>().WithMany().HasForeignKey(w => w.TemplateVersionId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<WorkFolder>().WithMany().HasForeignKey(w => w.WorkFolderId).OnDelete(DeleteBehavior.Restrict);
        builder.NotWrittenHere(w => w.CreatedAt, MapHelpers.Now);
        builder.NotWrittenHere(w => w.Generation, "0");
        builder.NotWrittenHere(w => w.WithoutSettings, "false");
        builder.NotWrittenHere(w => w.Subnet);
        builder.NotWrittenHere(w => w.DeletedAt);
        // Slugs become host names, so the database restricts their form, whoever writes the row.
        builder.ToTable(t => t.HasCheckConstraint("slug_form", "slug ~ '^[a-z][a-z0-9]{9}$'"));
        // Jobs parses it as one of these values while it holds a lease.
        builder.ToTable(t =>
            t.HasCheckConstraint("requested_run_known", $"requested_run in ({string.Join(", ", Enum.GetNames<RunKind>().Select(k => $"'{k}'"))})"));
        builder.HasMany<Run>().WithOne().HasForeignKey(r => r.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
        builder.HasMany<Reservation>().WithOne().HasForeignKey(r => r.WorkspaceId).OnDelete(DeleteBehavior.Restrict);
        builder.HasMany<CapacityClaim>().WithOne().HasForeignKey(c => c.WorkspaceId).OnDelete(DeleteBehavior.Restrict);
    }
}

internal sealed class NodeMap : IEntityTypeConfiguration<NodeRow>
{
    public void Configure(EntityTypeBuilder<NodeRow> builder)
    {
        builder.HasKey(n => new { n.WorkspaceId, n.Name });
        builder.Property(n => n.Name).HasMaxLength(40);
        builder.Property(n => n.Restarts).HasDefaultValue(0);
        builder.HasOne<Workspace>().WithMany().HasForeignKey(n => n.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class LogLineMap : IEntityTypeConfiguration<LogLine>
{
    public void Configure(EntityTypeBuilder<LogLine> builder)
    {
        builder.Property(l => l.Id).UseIdentityAlwaysColumn();
        builder.NotWrittenHere(l => l.At, MapHelpers.Now);
        builder.HasIndex(l => new { l.WorkspaceId, l.Id });
        builder.HasIndex(l => l.RunId);
        builder.HasOne<Workspace>().WithMany().HasForeignKey(l => l.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<Run>().WithMany().HasForeignKey(l => l.RunId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class SubnetMap : IEntityTypeConfiguration<SubnetHold>
{
    public void Configure(EntityTypeBuilder<SubnetHold> builder)
    {
        builder.Property(s => s.Id).UseIdentityAlwaysColumn();
        builder.Property(s => s.Block).HasMaxLength(20);
        builder.HasIndex(s => s.Block).IsUnique().HasFilter("released_at is null");
        builder.HasIndex(s => s.WorkspaceId);
        builder.NotWrittenHere(s => s.ReleasedAt);
        builder.HasOne<Workspace>().WithMany().HasForeignKey(s => s.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
    }
}
