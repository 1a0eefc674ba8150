using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Workspaces;

namespace Portal.Core.Metrics;

internal sealed class SampleMap : IEntityTypeConfiguration<Sample>
{
    public void Configure(EntityTypeBuilder<Sample> builder)
    {
        builder.HasKey(s => new { s.WorkspaceId, s.Span, s.At, s.Node });
        builder.Property(s => s.Node).HasMaxLength(40);
        builder.HasIndex(s => new { s.Span, s.At });
        builder.HasOne<Workspace>().WithMany().HasForeignKey(s => s.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class CountMap : IEntityTypeConfiguration<Count>
{
    public void Configure(EntityTypeBuilder<Count> builder)
    {
        builder.HasKey(c => new { c.WorkspaceId, c.Span, c.At, c.Name });
        builder.Property(c => c.Name).HasMaxLength(40);
        builder.HasIndex(c => new { c.Span, c.At });
        builder.HasOne<Workspace>().WithMany().HasForeignKey(c => c.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
    }
}
