using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Portal.Core.Data;

namespace Portal.Core.People;

internal sealed class PersonMap : IEntityTypeConfiguration<Person>
{
    private const string Uids = "person_uid";

    public void Configure(EntityTypeBuilder<Person> builder)
    {
        builder.Property(p => p.Issuer).HasMaxLength(200);
        builder.Property(p => p.Subject).HasMaxLength(200);
        builder.Property(p => p.Name).HasMaxLength(200);
        builder.HasIndex(p => new { p.Issuer, p.Subject }).IsUnique();
        builder.HasIndex(p => p.Uid).IsUnique();
        var uids = builder.Metadata.Model.AddSequence(Uids, PortalDb.Schema);
        (uids.Type, uids.StartValue, uids.MinValue, uids.MaxValue) = (typeof(int), Person.FirstUid, Person.FirstUid, Person.LastUid);
        builder.NotWrittenHere(p => p.Uid, $"nextval('{PortalDb.Schema}.{Uids}')::int");
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
        // Operators belong to the site, admins to a tenant, everyone else to a class.
        builder.ToTable(t =>
            t.HasCheckConstraint("role_place", "(role = 'Operator') = (tenant_id is null) and (role in ('Operator', 'TenantAdmin')) = (class_id is null)"));
    }
}
