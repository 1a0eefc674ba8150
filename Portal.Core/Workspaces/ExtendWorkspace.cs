using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Moves the end time of a workspace that is running or coming up, at most to the class's
/// maximum from now. A stopped one gets a new end time at its start.</summary>
public sealed class ExtendWorkspace(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    public async Task<ChangeOutcome> RunAsync(Actor actor, Guid workspaceId, DateTimeOffset endAt, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await ChangeWorkspace.FindLockedAsync(db, actor, workspaceId, Verb.ExtendWorkspace, cancel) is not { } workspace)
            return new ChangeOutcome.NotFound();
        // A Resize, in progress or finished, leaves it running.
        var lifecycle = await db.LifecycleRunAsync(workspaceId, cancel);
        if (workspace.RequestedRun is not (null or RunKind.Resize)
            || lifecycle is not { Kind: RunKind.Launch or RunKind.Start, Releasing: false, Phase: not (RunPhase.Failed or RunPhase.Cancelled) })
            return new ChangeOutcome.Refused(ChangeRefusal.NotNow);
        var now = clock.GetUtcNow();
        var longest = await db.Classes.Where(c => c.Id == workspace.ClassId).Select(c => c.LongestHours).SingleAsync(cancel);
        if (endAt <= now) return new ChangeOutcome.Refused(ChangeRefusal.EndInThePast);
        if (endAt > now.AddHours(longest)) return new ChangeOutcome.Refused(ChangeRefusal.EndTooLate);
        // An explicit end time applies even if the workspace is not ready yet.
        (workspace.EndAt, workspace.RunFor) = (endAt.ToUniversalTime(), null);
        db.LogLines.Add(new() { WorkspaceId = workspace.Id, Text = $"Runs until {workspace.EndAt:yyyy-MM-dd HH:mm} UTC." });
        db.Audit.Add(new()
        {
            TenantId = workspace.TenantId,
            ActorId = actor.PersonId,
            Verb = nameof(ExtendWorkspace),
            WorkspaceId = workspace.Id,
            Outcome = "accepted"
        });
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return new ChangeOutcome.Accepted();
    }
}
