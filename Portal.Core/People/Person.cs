using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.People;

/// <summary>Someone who signs in: a subject of an issuer. Never deleted while files of theirs exist.</summary>
[Table("persons")]
public sealed class Person
{
    public Guid Id { get; init; }

    /// <summary>Who authenticates the subject: an OpenID Connect issuer, or "demo".</summary>
    public required string Issuer { get; init; }
    public required string Subject { get; init; }
    public required string Name { get; set; }

    /// <summary>The uid that owns this person's files. The database assigns it from a high range, never the
    /// web process, so that it cannot collide with an account on a host.</summary>
    public int Uid { get; private set; }
    public DateTimeOffset CreatedAt { get; private set; }

    /// <summary>Range of uids for people; Jobs refuses rows outside it.</summary>
    public const int FirstUid = 2_000_000, LastUid = 2_999_999;
}

public enum MemberRole { Student, Assistant, Instructor, TenantAdmin, Operator }

/// <summary>A role in a class (student, assistant, instructor), in a tenant (admin) or of the whole site (operator).</summary>
[Table("memberships")]
public sealed class Membership
{
    public Guid Id { get; init; }
    public Guid PersonId { get; init; }
    public Guid? TenantId { get; init; }
    public Guid? ClassId { get; init; }
    public MemberRole Role { get; init; }
}

/// <summary>Who is acting; a parameter of every verb. Each verb reads what they may do from the database; it is never passed along.</summary>
public readonly record struct Actor(Guid PersonId);
