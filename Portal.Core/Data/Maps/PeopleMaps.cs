using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.People;

namespace Portal.Core.Data.Maps;

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
    }
}

internal sealed class PersonMap : IEntityTypeConfiguration<Person>
{
    public void Configure(EntityTypeBuilder<Person> builder)
    {
        builder.Property(p => p.Issuer).HasMaxLength(200);
        builder.Property(p => p.Subject).HasMaxLength(200);
        builder.Property(p => p.Name).HasMaxLength(200);
        builder.HasIndex(p => new { p.Issuer, p.Subject }).IsUnique();
        builder.HasIndex(p => p.Uid).IsUnique();
        builder.NotWrittenHere(p => p.Uid, $"nextval('{PortalDb.Schema}.person_uid')::int");
        builder.NotWrittenHere(p => p.CreatedAt, MapHelpers.Now);
        builder.ToTable(t => t.HasCheckConstraint("uid_range", $"uid between {Person.FirstUid} and {Person.LastUid}"));
    }
}

internal sealed class MembershipMap : IEntityTypeConfiguration<Membership>
{
    public void Configure(EntityTypeBuilder<Membership> builder)
    {
        builder.HasIndex(m => new { m.PersonId, m.ClassId, m.TenantId, m.Role }).IsUnique().AreNullsDistinct(false);
        builder.HasIndex(m => m.ClassId);
        builder.HasIndex(m => m.TenantId);
        builder.HasOne<Person>().WithMany().HasForeignKey(m => m.PersonId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Class>().WithMany().HasForeignKey(m => m.ClassId).OnDelete(DeleteBehavior.Restrict);
        builder.HasOne<Tenant>().WithMany().HasForeignKey(m => m.TenantId).OnDelete(DeleteBehavior.Restrict);
        // Operators belong to the site, admins to a tenant, everyone else to a class.
        builder.ToTable(t =>
            t.HasCheckConstraint("role_place", "(role = 'Operator') = (tenant_id is null) and (role in ('Operator', 'TenantAdmin')) = (class_id is null)"));
    }
}

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
        builder.HasOne<Workspaces.Workspace>().WithMany().HasForeignKey(t => t.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
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
        builder.HasOne<Workspaces.Workspace>().WithMany().HasForeignKey(s => s.WorkspaceId).OnDelete(DeleteBehavior.Cascade);
        builder.HasOne<Person>().WithMany().HasForeignKey(s => s.PersonId).OnDelete(DeleteBehavior.Cascade);
    }
}

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
