using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Workspaces;

namespace Portal.Core.Access;

internal sealed class SessionMap : IEntityTypeConfiguration<Session>
{
    public void Configure(EntityTypeBuilder<Session> builder)
    {
        builder.HasKey(s => s.Hash);
        builder.Property(s => s.Hash).HasMaxLength(64);
        builder.HasIndex(s => s.PersonId);
        builder.HasIndex(s => s.ExpiresAt);
        builder.HasOne<Person>().WithMany().HasForeignKey(s => s.PersonId).OnDelete(DeleteBehavior.Cascade);
        builder.NotWrittenHere(s => s.CreatedAt, MapHelpers.Now);
    }
}

internal sealed class AppTicketMap : IEntityTypeConfiguration<AppTicket>
{
    public void Configure(EntityTypeBuilder<AppTicket> builder)
    {
        builder.HasKey(t => t.Hash);
        builder.Property(t => t.Hash).HasMaxLength(64);
        builder.Property(t => t.App).HasMaxLength(40);
        builder.Property(t => t.SessionHash).HasMaxLength(64);
        builder.HasIndex(t => t.WorkspaceId);
        builder.HasIndex(t => t.PersonId);
        builder.HasIndex(t => t.ExpiresAt);
        builder.HasOne<Workspace>().WithMany().HasForeignKey(t => t.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<Person>().WithMany().HasForeignKey(t => t.PersonId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal sealed class AppSessionMap : IEntityTypeConfiguration<AppSession>
{
    public void Configure(EntityTypeBuilder<AppSession> builder)
    {
        builder.HasKey(s => s.Hash);
        builder.Property(s => s.Hash).HasMaxLength(64);
        builder.Property(s => s.App).HasMaxLength(40);
        builder.Property(s => s.SessionHash).HasMaxLength(64);
        builder.HasIndex(s => s.WorkspaceId);
        builder.HasIndex(s => s.PersonId);
        builder.HasIndex(s => s.SessionHash);
        builder.HasIndex(s => s.ExpiresAt);
        builder.HasOne<Workspace>().WithMany().HasForeignKey(s => s.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<Person>().WithMany().HasForeignKey(s => s.PersonId).OnDelete(DeleteBehavior.Cascade);
    }
}
