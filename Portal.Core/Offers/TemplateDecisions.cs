using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Offers;

/// <summary>Result of the verbs that decide what is offered.</summary>
public abstract record TemplateOutcome
{
    private TemplateOutcome() { }

    public sealed record Done : TemplateOutcome;

    /// <summary>No such template, or the actor may not decide about it; the caller cannot tell which.</summary>
    public sealed record NotFound : TemplateOutcome;

    public sealed record Refused(TemplateRefusal Why) : TemplateOutcome;
}

/// <summary>Why a decision about a template is refused.</summary>
public enum TemplateRefusal
{
    /// <summary>It would change what other departments can launch.</summary>
    ConcernsOthers,

    /// <summary>The reason, which is shown to students, was missing or too long.</summary>
    ReasonMissing,

    /// <summary>A class that does not exist or belongs to another department.</summary>
    ClassUnknown,
}

/// <summary>Decisions about a template, and what the verbs about them have in common.</summary>
internal static class TemplateDecisions
{
    /// <summary>Determines who decides, blocks concurrent decisions about the template, and audits the outcome.</summary>
    public static async Task<TemplateOutcome> DecideAsync(PortalDb db, Actor actor, string template, Verb verb,
        Func<TemplateDecider, Task<TemplateRefusal?>> decideLocked, CancellationToken cancel)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await TemplateDecider.ReadAsync(db, actor, verb, cancel) is not { } decider
            || !await db.TemplateVersions.AnyAsync(t => t.TemplateId == template, cancel))
            return new TemplateOutcome.NotFound();
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock(hashtextextended({"template " + template}, 0))", cancel);
        var refusal = await decideLocked(decider);
        db.Audit.Add(new AuditEntry
        {
            TenantId = decider.Tenant,
            ActorId = actor.PersonId,
            Verb = verb.ToString(),
            Outcome = $"{refusal?.ToString() ?? "accepted"}: {template}"
        });
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return refusal is { } why ? new TemplateOutcome.Refused(why) : new TemplateOutcome.Done();
    }

    /// <summary>Sets whether new launches are allowed, whatever was decided before.</summary>
    public static Task SayLockedAsync(PortalDb db, string template, bool deprecated, string? reason, Actor actor, CancellationToken cancel) =>
        db.Database.ExecuteSqlAsync($"""
            insert into portal.template_offers (template_id, deprecated, reason, changed_by, changed_at)
            values ({template}, {deprecated}, {reason}, {actor.PersonId}, clock_timestamp())
            on conflict (template_id) do update set
              deprecated = excluded.deprecated, reason = excluded.reason, changed_by = excluded.changed_by, changed_at = excluded.changed_at
            """, cancel);
}

/// <summary>Someone who may decide about templates.</summary>
/// <param name="Everywhere">For all departments: an operator, or the admin if there is no other department.</param>
/// <param name="Tenants">The departments of an admin; empty for an operator.</param>
internal sealed record TemplateDecider(bool Operator, bool Everywhere, ImmutableArray<Guid> Tenants)
{
    public Guid? Tenant => Tenants is [var only] ? only : null;

    /// <summary>Null if the person may not decide.</summary>
    public static async Task<TemplateDecider?> ReadAsync(PortalDb db, Actor actor, Verb verb, CancellationToken cancel)
    {
        var memberships = await db.Memberships.AsNoTracking().Where(m => m.PersonId == actor.PersonId).ToListAsync(cancel);
        bool May(Guid? tenant) => Permissions.May(verb, Permissions.RolesOf(actor.PersonId, memberships, tenant, null, null));
        if (May(null)) return new(Operator: true, Everywhere: true, []);
        var tenants = memberships.Where(m => m.TenantId is { } t && May(t)).Select(m => m.TenantId!.Value).Distinct().ToImmutableArray();
        return tenants.IsEmpty
            ? null
            : new(Operator: false, Everywhere: !await db.Tenants.AnyAsync(t => !tenants.AsEnumerable().Contains(t.Id), cancel), tenants);
    }

    /// <summary>The classes that this person decides for.</summary>
    public IQueryable<Class> Classes(PortalDb db)
    {
        var tenants = Tenants.ToArray();
        return Operator ? db.Classes : db.Classes.Where(c => tenants.Contains(c.TenantId));
    }
}
