using Portal.Core.People;

namespace Portal.Core.Policy;

/// <summary>Every action that needs permission; each verb checks its own entry.</summary>
public enum Verb
{
    LaunchWorkspace, LookAtWorkspace, OpenApp, StopWorkspace, StartWorkspace, ExtendWorkspace, KeepWorkspace, ResizeWorkspace, DeleteWorkspace,
    SetIdleRule, SeeOperations,
    SeeTemplates, DeprecateTemplate, OfferTemplate, RestrictTemplate,
}

/// <summary>The roles that someone has for a thing; there may be several.</summary>
[Flags]
public enum Roles
{
    None = 0,
    /// <summary>It belongs to them.</summary>
    Owner = 1,
    /// <summary>Student of its class.</summary>
    Student = 2,
    Assistant = 4,
    Instructor = 8,
    /// <summary>Admin of the tenant that its class belongs to.</summary>
    TenantAdmin = 16,
    Operator = 32,
}

/// <summary>Who may do what. The only table; a test checks every combination of verb, role and ownership against it.</summary>
public static class Permissions
{
    private const Roles AnyMember = Roles.Student | Roles.Assistant | Roles.Instructor;

    /// <summary>True if the roles match one of the verb's rows.</summary>
    public static bool May(Verb verb, Roles roles)
    {
        var member = (roles & AnyMember) != Roles.None;
        var owner = roles.HasFlag(Roles.Owner);
        return verb switch
        {
            // Anyone in the class that is charged.
            Verb.LaunchWorkspace => member,
            // Work in progress is private: only its owner opens it or changes how long it runs, and only while still in the class.
            Verb.OpenApp or Verb.StartWorkspace or Verb.ExtendWorkspace or Verb.KeepWorkspace or Verb.ResizeWorkspace => owner && member,
            // Staff may see and stop, so that a lesson can go on; so may the owner, even after leaving the class.
            Verb.LookAtWorkspace or Verb.StopWorkspace =>
                owner || (roles & (Roles.Assistant | Roles.Instructor | Roles.TenantAdmin | Roles.Operator)) != Roles.None,
            // Files are kept but running work is lost, so not for staff of the class.
            Verb.DeleteWorkspace => owner || (roles & (Roles.TenantAdmin | Roles.Operator)) != Roles.None,
            // A rule of the class: for those who are responsible for it.
            Verb.SetIdleRule => (roles & (Roles.Instructor | Roles.TenantAdmin)) != Roles.None,
            Verb.SeeOperations => roles.HasFlag(Roles.Operator),
            // What is offered: for the whole site, and for a tenant where no other is affected.
            Verb.SeeTemplates or Verb.DeprecateTemplate or Verb.OfferTemplate or Verb.RestrictTemplate =>
                (roles & (Roles.TenantAdmin | Roles.Operator)) != Roles.None,
            _ => throw new ArgumentOutOfRangeException(nameof(verb)),
        };
    }

    /// <summary>Derives roles from a person's memberships, for a thing of this tenant, class and owner.</summary>
    public static Roles RolesOf(Guid person, IEnumerable<Membership> memberships, Guid? tenant, Guid? @class, Guid? owner)
    {
        var roles = owner == person ? Roles.Owner : Roles.None;
        foreach (var m in memberships.Where(m => m.PersonId == person))
        {
            roles |= m.Role switch
            {
                MemberRole.Student when m.ClassId == @class && @class is not null => Roles.Student,
                MemberRole.Assistant when m.ClassId == @class && @class is not null => Roles.Assistant,
                MemberRole.Instructor when m.ClassId == @class && @class is not null => Roles.Instructor,
                MemberRole.TenantAdmin when m.TenantId == tenant && tenant is not null => Roles.TenantAdmin,
                MemberRole.Operator => Roles.Operator,
                _ => Roles.None,
            };
        }
        return roles;
    }
}
