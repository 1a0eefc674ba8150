using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Workspaces;

/// <summary>Its owner wants a workspace kept although nothing works in it, for some hours; never beyond its end time, which stands above.</summary>
public sealed class KeepWorkspace(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    /// <summary>Longest at once, hours.</summary>
    public const int MostHours = 24;

    /// <param name="hours">From now, 1 to <see cref="MostHours"/>.</param>
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
        db.Audit.Add(new() { TenantId = workspace.TenantId, ActorId = actor.PersonId, Verb = nameof(KeepWorkspace), WorkspaceId = workspace.Id, Outcome = "accepted" });
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return new ChangeOutcome.Accepted();
    }
}
