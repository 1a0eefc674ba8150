using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Tests.Policy;

/// <summary>Checks every combination of verb, role and ownership: each cell is listed here, so that changing the table is a deliberate decision.</summary>
public sealed class PermissionsTests
{
    private static readonly Guid Me = new("11111111-0000-0000-0000-000000000000"), Other = new("22222222-0000-0000-0000-000000000000");
    private static readonly Guid Tenant = new("33333333-0000-0000-0000-000000000000"), Class = new("44444444-0000-0000-0000-000000000000"),
        OtherPlace = new("55555555-0000-0000-0000-000000000000");

    /// <summary>Columns: nobody, student, assistant, instructor, tenant admin, operator; lower case of others' things, and of one's own.</summary>
    [Theory]
    //                                         others' thing          own thing
    //                                         - S A I T O            - S A I T O
    [InlineData(Verb.LaunchWorkspace, "0 1 1 1 0 0", "0 1 1 1 0 0")]
    [InlineData(Verb.LookAtWorkspace, "0 0 1 1 1 1", "1 1 1 1 1 1")]
    [InlineData(Verb.StopWorkspace, "0 0 1 1 1 1", "1 1 1 1 1 1")]
    [InlineData(Verb.OpenApp, "0 0 0 0 0 0", "0 1 1 1 0 0")]
    [InlineData(Verb.StartWorkspace, "0 0 0 0 0 0", "0 1 1 1 0 0")]
    [InlineData(Verb.ExtendWorkspace, "0 0 0 0 0 0", "0 1 1 1 0 0")]
    [InlineData(Verb.KeepWorkspace, "0 0 0 0 0 0", "0 1 1 1 0 0")]
    [InlineData(Verb.SetIdleRule, "0 0 0 1 1 0", "0 0 0 1 1 0")]
    [InlineData(Verb.ResizeWorkspace, "0 0 0 0 0 0", "0 1 1 1 0 0")]
    [InlineData(Verb.DeleteWorkspace, "0 0 0 0 1 1", "1 1 1 1 1 1")]
    [InlineData(Verb.SeeOperations, "0 0 0 0 0 1", "0 0 0 0 0 1")]
    [InlineData(Verb.SeeTemplates, "0 0 0 0 1 1", "0 0 0 0 1 1")]
    [InlineData(Verb.DeprecateTemplate, "0 0 0 0 1 1", "0 0 0 0 1 1")]
    [InlineData(Verb.OfferTemplate, "0 0 0 0 1 1", "0 0 0 0 1 1")]
    [InlineData(Verb.RestrictTemplate, "0 0 0 0 1 1", "0 0 0 0 1 1")]
    public void May_VerbRoleOwnership_IsTheTable(Verb verb, string others, string own)
    {
        foreach (var (cells, owner) in new[] { (others, Other), (own, Me) })
        {
            var expected = cells.Split(' ').Select(c => c == "1").ToArray();
            var roles = new MemberRole?[] { null, MemberRole.Student, MemberRole.Assistant, MemberRole.Instructor, MemberRole.TenantAdmin,
                MemberRole.Operator };
            for (var i = 0; i < roles.Length; i++)
                Permissions.May(verb, Roles(roles[i], Class, Tenant, owner))
                    .ShouldBe(expected[i], $"{verb} as {roles[i]?.ToString() ?? "nobody"} of {(owner == Me ? "own" : "others'")} thing");
        }
    }

    [Fact]
    public void May_EveryVerb_IsInTheWalk()
    {
        var walked = typeof(PermissionsTests).GetMethod(nameof(May_VerbRoleOwnership_IsTheTable))!.GetCustomAttributes(typeof(InlineDataAttribute), false)
            .Cast<InlineDataAttribute>()
            .Select(d => (Verb)d.Data[0]!);
        walked.Order().ShouldBe(Enum.GetValues<Verb>().Order());
    }

    [Theory]
    [InlineData(MemberRole.Student)]
    [InlineData(MemberRole.Assistant)]
    [InlineData(MemberRole.Instructor)]
    [InlineData(MemberRole.TenantAdmin)]
    public void RolesOf_RoleElsewhere_CountsForNothing(MemberRole role) =>
        Roles(role, OtherPlace, OtherPlace, Other).ShouldBe(Core.Policy.Roles.None);

    [Fact]
    public void RolesOf_SomebodyElsesMembership_CountsForNothing() =>
        Permissions.RolesOf(Me, [new() { PersonId = Other, Role = MemberRole.Operator }], Tenant, Class, Other).ShouldBe(Core.Policy.Roles.None);

    private static Roles Roles(MemberRole? role, Guid @class, Guid tenant, Guid owner)
    {
        Membership[] memberships = role is { } r
            ? [new()
            {
                PersonId = Me,
                Role = r,
                TenantId = r == MemberRole.Operator ? null : tenant,
                ClassId = r is MemberRole.Operator or MemberRole.TenantAdmin ? null : @class
            }]
            : [];
        return Permissions.RolesOf(Me, memberships, Tenant, Class, owner);
    }
}
