using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Offers;

/// <summary>Sets which classes may launch a template. Existing workspaces are not affected.</summary>
public sealed class RestrictTemplate(IDbContextFactory<PortalDb> databases)
{
    /// <param name="classes">Those that may launch it, out of all classes that the actor decides for;
    /// none means all. Classes of other departments are not changed.</param>
    public async Task<TemplateOutcome> RunAsync(Actor actor, string template, IReadOnlyCollection<Guid> classes, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await TemplateDecisions.DecideAsync(db, actor, template, Verb.RestrictTemplate, async decider =>
        {
            var mine = (await decider.Classes(db).Select(c => c.Id).ToListAsync(cancel)).ToHashSet();
            if (!mine.IsSupersetOf(classes)) return TemplateRefusal.ClassUnknown;
            var before = await db.TemplateClasses.Where(c => c.TemplateId == template).ToListAsync(cancel);
            var after = before.Select(c => c.ClassId).Where(c => !mine.Contains(c)).Concat(classes).ToHashSet();
            // Restricting a template that was open to all, or opening it again, affects everyone.
            if (!decider.Everywhere && before.Count == 0 != (after.Count == 0)) return TemplateRefusal.ConcernsOthers;
            db.TemplateClasses.RemoveRange(before.Where(c => !after.Contains(c.ClassId)));
            db.TemplateClasses.AddRange(after.Except(before.Select(c => c.ClassId)).Select(c => new TemplateClass { TemplateId = template, ClassId = c }));
            return null;
        }, cancel);
    }
}
