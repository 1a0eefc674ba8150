using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Metrics;
using Portal.Core.Workspaces;

namespace Portal.Core.Data.Maps;

internal sealed class SampleMap : IEntityTypeConfiguration<Sample>
{
    public void Configure(EntityTypeBuilder<Sample> builder)
    {
        builder.ToTable("samples");
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
        builder.ToTable("counts");
        builder.HasKey(c => new { c.WorkspaceId, c.Span, c.At, c.Name });
        builder.Property(c => c.Name).HasMaxLength(40);
        builder.HasIndex(c => new { c.Span, c.At });
        builder.HasOne<Workspace>().WithMany().HasForeignKey(c => c.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class TemplateOfferMap : IEntityTypeConfiguration<TemplateOffer>
{
    public void Configure(EntityTypeBuilder<TemplateOffer> builder)
    {
        builder.ToTable("template_offers");
        builder.HasKey(o => o.TemplateId);
        builder.Property(o => o.TemplateId).HasMaxLength(40);
    }
}

internal sealed class TemplateClassMap : IEntityTypeConfiguration<TemplateClass>
{
    public void Configure(EntityTypeBuilder<TemplateClass> builder)
    {
        builder.ToTable("template_classes");
        builder.HasKey(c => new { c.TemplateId, c.ClassId });
        builder.Property(c => c.TemplateId).HasMaxLength(40);
        builder.HasIndex(c => c.ClassId);
        builder.HasOne<Class>().WithMany().HasForeignKey(c => c.ClassId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class TemplateFaultMap : IEntityTypeConfiguration<TemplateFaultRow>
{
    public void Configure(EntityTypeBuilder<TemplateFaultRow> builder)
    {
        builder.ToTable("template_faults");
        builder.HasKey(f => f.File);
        builder.Property(f => f.File).HasMaxLength(400);
    }
}
