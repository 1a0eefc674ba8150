using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Runs;

internal sealed class RunMap : IEntityTypeConfiguration<Run>
{
    public void Configure(EntityTypeBuilder<Run> builder)
    {
        builder.Property(r => r.Id).UseIdentityAlwaysColumn();
        builder.HasOne<TemplateVersion>().WithMany().HasForeignKey(r => r.TemplateVersionId).OnDelete(DeleteBehavior.Restrict);
        builder.HasIndex(r => r.TemplateVersionId);
        builder.Property(r => r.SizeId).HasMaxLength(20);
        builder.Property(r => r.WithoutSettings).HasDefaultValue(false);
        builder.HasIndex(r => new { r.WorkspaceId, r.Number }).IsUnique();
        builder.HasIndex(r => r.WorkspaceId).IsUnique().HasFilter("phase not in ('Succeeded', 'Failed', 'Cancelled')").HasDatabaseName("one_unfinished_run");
        builder.HasIndex(r => r.DueAt).HasFilter("phase = 'Waiting'").HasDatabaseName("runs_due");
        builder.HasIndex(r => r.LeaseUntil).HasFilter("phase in ('Handed', 'Active')").HasDatabaseName("runs_lease");
        builder.HasIndex(r => r.Id).HasFilter("phase = 'Queued'").HasDatabaseName("runs_queue");
        builder.NotWrittenHere(r => r.Phase, "'Queued'");
        builder.NotWrittenHere(r => r.DoneStep).HasConversion<StepNames>();
        builder.NotWrittenHere(r => r.Releasing, "false");
        builder.NotWrittenHere(r => r.Version, "0");
        builder.NotWrittenHere(r => r.DueAt, MapHelpers.Now);
        builder.NotWrittenHere(r => r.LeaseUntil);
        builder.NotWrittenHere(r => r.Owner);
        builder.NotWrittenHere(r => r.Attempts, "0");
        builder.NotWrittenHere(r => r.Message);
        builder.NotWrittenHere(r => r.Cause);
        builder.NotWrittenHere(r => r.Remedy);
        builder.NotWrittenHere(r => r.FailedStep).HasConversion<StepNames>();
        builder.NotWrittenHere(r => r.CreatedAt, MapHelpers.Now);
        builder.NotWrittenHere(r => r.AdmittedAt);
        builder.NotWrittenHere(r => r.EndedAt);
        builder.HasMany<CapacityClaim>().WithOne().HasForeignKey(c => c.RunId).OnDelete(DeleteBehavior.Restrict);
    }
}

internal sealed class RunStepMap : IEntityTypeConfiguration<RunStep>
{
    public void Configure(EntityTypeBuilder<RunStep> builder)
    {
        builder.HasKey(s => new { s.RunId, s.Key });
        builder.Property(s => s.Key).HasConversion<StepNames>();
        builder.HasIndex(s => s.EndedAt); // the newest, to compute how long steps usually take
        builder.HasOne<Run>().WithMany().HasForeignKey(s => s.RunId).OnDelete(DeleteBehavior.Cascade);
    }
}
