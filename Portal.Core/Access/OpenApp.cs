using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Access;

public abstract record OpenAppOutcome
{
    private OpenAppOutcome() { }

    /// <param name="Ticket">To be posted to the app's host within a minute, by the browser that requested it.</param>
    public sealed record Opened(string Ticket, string Slug, string App, string Title) : OpenAppOutcome;

    /// <summary>No such workspace or app, or not yours; the caller cannot tell which.</summary>
    public sealed record NotFound : OpenAppOutcome;

    public sealed record NotReady(string Slug, WorkspaceStatus Status) : OpenAppOutcome;
}

/// <summary>Issues a ticket for one app of a workspace to its owner's browser. Apps stay open during a resize and after it, whatever its outcome.</summary>
public sealed class OpenApp(IDbContextFactory<PortalDb> databases)
{
    /// <param name="sessionHash">The portal session that asks; everything the ticket opens ends with it.</param>
    public async Task<OpenAppOutcome> RunAsync(Actor actor, string sessionHash, Guid workspaceId, string app, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var found = await (from w in db.Workspaces
                           join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                           where w.Id == workspaceId && w.DeletedAt == null
                           select new
                           {
                               w,
                               t.Spec,
                               Run = db.Set<Run>().Where(r => r.WorkspaceId == w.Id && r.Kind != RunKind.Resize).OrderByDescending(r => r.Number).First()
                           })
            .AsNoTracking()
            .SingleOrDefaultAsync(cancel);
        if (found is null) return new OpenAppOutcome.NotFound();
        var roles = await db.RolesAsync(actor, found.w.TenantId, found.w.ClassId, found.w.PersonId, cancel);
        if (!Permissions.May(Verb.OpenApp, roles)) return new OpenAppOutcome.NotFound();
        if (found.Spec.AppsOnNodes(found.w.Workers).FirstOrDefault(a => a.Id == app) is not { } spec) return new OpenAppOutcome.NotFound();
        if (found.Run is not { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Succeeded })
            return new OpenAppOutcome.NotReady(found.w.Slug, StatusOf.Run(found.Run.Kind, found.Run.Phase, found.Run.Releasing, nodesHealthy: true));

        var ticket = Secret.New();
        var hash = Secret.Hash(ticket);
        await db.Database.ExecuteSqlAsync($"""
            insert into portal.app_tickets (hash, workspace_id, app, person_id, session_hash, expires_at)
            values ({hash}, {workspaceId}, {spec.Id}, {actor.PersonId}, {sessionHash}, clock_timestamp() + {SessionRules.Ticket})
            """, cancel);
        db.Audit.Add(new() { TenantId = found.w.TenantId, ActorId = actor.PersonId, Verb = nameof(OpenApp), WorkspaceId = workspaceId, Outcome = "accepted" });
        await db.SaveChangesAsync(cancel);
        return new OpenAppOutcome.Opened(ticket, found.w.Slug, spec.Id, spec.Title);
    }
}
