using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Data;

namespace Portal.Core.Catalog;

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

internal sealed class TemplateOfferMap : IEntityTypeConfiguration<TemplateOffer>
{
    public void Configure(EntityTypeBuilder<TemplateOffer> builder)
    {
        builder.HasKey(o => o.TemplateId);
        builder.Property(o => o.TemplateId).HasMaxLength(40);
    }
}

internal sealed class TemplateClassMap : IEntityTypeConfiguration<TemplateClass>
{
    public void Configure(EntityTypeBuilder<TemplateClass> builder)
    {
        builder.HasKey(c => new { c.TemplateId, c.ClassId });
        builder.Property(c => c.TemplateId).HasMaxLength(40);
        builder.HasIndex(c => c.ClassId);
    }
}

internal sealed class TemplateFaultMap : IEntityTypeConfiguration<TemplateFaultRow>
{
    public void Configure(EntityTypeBuilder<TemplateFaultRow> builder)
    {
        builder.HasKey(f => f.File);
        builder.Property(f => f.File).HasMaxLength(400);
    }
}

internal sealed class ImageMap : IEntityTypeConfiguration<ImageRow>
{
    public void Configure(EntityTypeBuilder<ImageRow> builder)
    {
        builder.HasKey(i => new { i.PoolKey, i.Name });
        builder.Property(i => i.PoolKey).HasMaxLength(100);
        builder.Property(i => i.Name).HasMaxLength(40);
    }
}
