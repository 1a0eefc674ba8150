using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.People;

namespace Portal.Jobs;

/// <summary>The people and the class of the demo. Idempotent. Run as portal_migrator, because no other role may write people.</summary>
public static class DemoSeed
{
    private static readonly (string Subject, string Name, MemberRole Role)[] People =
    [
        ("ada", "Ada Lovelace", MemberRole.Student), ("alan", "Alan Turing", MemberRole.Student), ("grace", "Grace Hopper", MemberRole.Student),
        ("barbara", "Barbara Liskov", MemberRole.Assistant), ("edsger", "Edsger Dijkstra", MemberRole.Instructor),
        ("margaret", "Margaret Hamilton", MemberRole.TenantAdmin), ("ken", "Ken Thompson", MemberRole.Operator),
    ];

    public static async Task RunAsync(PortalDb db, TimeProvider clock, CancellationToken cancel)
    {
        if (await db.Persons.AnyAsync(p => p.Issuer == "demo", cancel)) return;
        Guid New() => Guid.CreateVersion7(clock.GetUtcNow());
        var (tenant, @class) = (New(), New());
        await LocalCloud.AddAsync(db, cancel);
        db.Tenants.Add(new() { Id = tenant, Slug = "informatics", Name = "Informatics", PoolKey = LocalCloud.Key, Limits = new(64, 96 * 1024, 400, 200) });
        db.Classes.Add(new()
        {
            Id = @class,
            TenantId = tenant,
            Slug = "data-science",
            Title = "Data science 101",
            Limits = new(48, 72 * 1024, 200, 100),
            MemberLimits = new(8, 12 * 1024, 16, 4),
            WorkFolderGib = 2,
            LongestHours = 12,
        });
        foreach (var (subject, name, role) in People)
        {
            var person = New();
            db.Persons.Add(new() { Id = person, Issuer = "demo", Subject = subject, Name = name });
            db.Memberships.Add(new()
            {
                Id = New(),
                PersonId = person,
                Role = role,
                TenantId = role == MemberRole.Operator ? null : tenant,
                ClassId = role is MemberRole.Operator or MemberRole.TenantAdmin ? null : @class,
            });
        }
        await db.SaveChangesAsync(cancel);
    }
}
