using Portal.Core.People;

namespace Portal.Jobs;

/// <summary>A demo person and their role in the tenant or its class.</summary>
internal sealed record CastMember(string Subject, string Name, MemberRole Role);

/// <summary>The class of a demo tenant, and everyone in it.</summary>
internal sealed record DemoCast(string ClassSlug, string ClassTitle, IReadOnlyList<CastMember> People)
{
    public static readonly (string Subject, string Name) Operator = ("ken", "Ken Thompson");

    public static readonly IReadOnlyList<DemoCast> All =
    [
        new("data-science", "Data science 101",
        [
            new("ada", "Ada Lovelace", MemberRole.Student), new("alan", "Alan Turing", MemberRole.Student), new("grace", "Grace Hopper", MemberRole.Student),
            new("barbara", "Barbara Liskov", MemberRole.Assistant), new("edsger", "Edsger Dijkstra", MemberRole.Instructor),
            new("margaret", "Margaret Hamilton", MemberRole.TenantAdmin),
        ]),
        new("statistics", "Statistics 101",
        [
            new("emmy", "Emmy Noether", MemberRole.Student), new("sophie", "Sophie Germain", MemberRole.Student),
            new("srinivasa", "Srinivasa Ramanujan", MemberRole.Student), new("julia", "Julia Robinson", MemberRole.Assistant),
            new("david", "David Hilbert", MemberRole.Instructor), new("mary", "Mary Cartwright", MemberRole.TenantAdmin),
        ]),
    ];

    /// <summary>For any further tenant.</summary>
    /// <param name="tenant">Its slug.</param>
    /// <param name="name">Its name.</param>
    public static DemoCast Of(string tenant, string name) => new("data-science", "Data science 101",
    [
        new($"{tenant}-student", $"{name}: a student", MemberRole.Student), new($"{tenant}-assistant", $"{name}: an assistant", MemberRole.Assistant),
        new($"{tenant}-instructor", $"{name}: an instructor", MemberRole.Instructor), new($"{tenant}-admin", $"{name}: a tenant admin", MemberRole.TenantAdmin),
    ]);
}
