using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Workspaces;

/// <summary>Keeps an idle workspace running for a number of hours at its owner's request; never beyond its end time.</summary>
public sealed class KeepWorkspace(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    /// <summary>Maximum hours per request.</summary>
    public const int MostHours = 24;

    /// <param name="hours">Hours from now, 1 to <see cref="MostHours"/>.</param>
    public async Task<ChangeOutcome> RunAsync(Actor actor, Guid workspaceId, int hours, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await ChangeWorkspace.FindLockedAsync(db, actor, workspaceId, Verb.KeepWorkspace, cancel) is not { } workspace) return new ChangeOutcome.NotFound();
        if (hours < 1) return new ChangeOutcome.Refused(ChangeRefusal.EndInThePast);
        if (hours > MostHours) return new ChangeOutcome.Refused(ChangeRefusal.EndTooLate);
        var until = clock.GetUtcNow().AddHours(hours);
        if (workspace.KeepUntil >= until) return new ChangeOutcome.Already();
        workspace.KeepUntil = until;
        db.LogLines.Add(new() { WorkspaceId = workspace.Id, Text = $"Kept until {until:yyyy-MM-dd HH:mm} UTC, even if idle." });
        db.Audit.Add(new()
        {
            TenantId = workspace.TenantId,
            ActorId = actor.PersonId,
            Verb = nameof(KeepWorkspace),
            WorkspaceId = workspace.Id,
            Outcome = "accepted"
        });
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return new ChangeOutcome.Accepted();
    }
}
