using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Result of the verbs that change a workspace.</summary>
public abstract record ChangeOutcome
{
    private ChangeOutcome() { }

    /// <summary>A run was ordered, or the requested run recorded.</summary>
    public sealed record Accepted : ChangeOutcome;

    /// <summary>It has already been done, or is in progress.</summary>
    public sealed record Already : ChangeOutcome;

    /// <summary>No such workspace, or not yours; the caller cannot tell which.</summary>
    public sealed record NotFound : ChangeOutcome;

    public sealed record Refused(ChangeRefusal Why, Refusal? Quota = null) : ChangeOutcome;
}

public enum ChangeRefusal { StoppingFirst, BeingDeleted, NotNow, OverQuota, EndInThePast, EndTooLate }

/// <summary>What Stop, Start and Delete share: find, check, and either order a run or record the requested run, in the caller's transaction.</summary>
internal static class ChangeWorkspace
{
    /// <summary>The workspace, if the actor may do this to it. Waits for concurrent changes and locks it until the transaction ends.</summary>
    public static async Task<Workspace?> FindLockedAsync(PortalDb db, Actor actor, Guid id, Verb verb, CancellationToken cancel)
    {
        var workspace = await db.Workspaces.AsNoTracking().SingleOrDefaultAsync(w => w.Id == id && w.DeletedAt == null, cancel);
        if (workspace is null) return null;
        var roles = await db.RolesAsync(actor, workspace.TenantId, workspace.ClassId, workspace.PersonId, cancel);
        if (!Permissions.May(verb, roles)) return null;
        if (verb is Verb.StartWorkspace or Verb.ResizeWorkspace) await db.LockQuotaAsync(workspace.TenantId, workspace.ClassId, cancel);
        await db.LockWorkspaceAsync(id, cancel);
        return await db.Workspaces.SingleOrDefaultAsync(w => w.Id == id && w.DeletedAt == null, cancel);
    }

    public static Task<Run?> NewestRunAsync(PortalDb db, Guid workspace, CancellationToken cancel) =>
        db.Runs.AsNoTracking().Where(r => r.WorkspaceId == workspace).OrderByDescending(r => r.Number).FirstOrDefaultAsync(cancel);

    /// <summary>Orders a run, or records the requested run if one is unfinished.</summary>
    public static ChangeOutcome WantLocked(PortalDb db, Workspace workspace, Run newest, RunKind wanted, Actor actor) =>
        WantLocked(db, workspace, newest, new Run { WorkspaceId = workspace.Id, Kind = wanted }, actor);

    /// <param name="order">Kind and changes; number and person are added here.</param>
    public static ChangeOutcome WantLocked(PortalDb db, Workspace workspace, Run newest, Run order, Actor actor)
    {
        var wanted = order.Kind;
        if (!newest.Phase.IsFinished())
        {
            switch (RequestedRunPolicy.Decide(newest.Kind, wanted))
            {
                case RequestedRunDecision.UnderWay: return new ChangeOutcome.Already();
                case RequestedRunDecision.Refuse:
                    return new ChangeOutcome.Refused(newest.Kind switch
                    {
                        RunKind.Delete => ChangeRefusal.BeingDeleted,
                        RunKind.Stop => ChangeRefusal.StoppingFirst,
                        _ => ChangeRefusal.NotNow
                    });
            }
            // A requested Delete takes precedence over a requested Stop.
            if (workspace.RequestedRun == RunKind.Delete || workspace.RequestedRun == wanted) return new ChangeOutcome.Already();
            workspace.RequestedRun = wanted;
            workspace.RequestedBy = actor.PersonId;
        }
        else
        {
            db.Runs.Add(new()
            {
                WorkspaceId = workspace.Id,
                Number = newest.Number + 1,
                Kind = wanted,
                OrderedBy = actor.PersonId,
                SizeId = order.SizeId,
                Workers = order.Workers,
                TemplateVersionId = order.TemplateVersionId,
                WithoutSettings = order.WithoutSettings,
            });
        }
        db.LogLines.Add(new() { WorkspaceId = workspace.Id, Text = LogText(order) });
        db.Audit.Add(new()
        {
            TenantId = workspace.TenantId,
            ActorId = actor.PersonId,
            Verb = wanted + "Workspace",
            WorkspaceId = workspace.Id,
            Outcome = "accepted"
        });
        return new ChangeOutcome.Accepted();
    }

    private static string LogText(Run order) => order switch
    {
        { Kind: RunKind.Resize } => $"Resize to {order.Workers} workers requested.",
        { WithoutSettings: true } => $"{order.Kind} without the owner's settings requested.",
        _ => $"{order.Kind} requested.",
    };
}
