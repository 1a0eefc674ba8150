using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Data;

namespace Portal.Core.Audit;

internal sealed class AuditMap : IEntityTypeConfiguration<AuditEntry>
{
    public void Configure(EntityTypeBuilder<AuditEntry> builder)
    {
        builder.Property(a => a.Id).UseIdentityAlwaysColumn();
        builder.NotWrittenHere(a => a.At, MapHelpers.Now);
        builder.Property(a => a.Verb).HasMaxLength(60);
        builder.HasIndex(a => a.At);
        builder.HasIndex(a => a.WorkspaceId);
    }
}
