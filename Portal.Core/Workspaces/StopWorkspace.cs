using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Frees compute resources and keeps the files; during a launch or start it cancels that run.</summary>
public sealed class StopWorkspace(IDbContextFactory<PortalDb> databases)
{
    public async Task<ChangeOutcome> RunAsync(Actor actor, Guid workspaceId, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await ChangeWorkspace.FindLockedAsync(db, actor, workspaceId, Verb.StopWorkspace, cancel) is not { } workspace) return new ChangeOutcome.NotFound();
        var newest = (await ChangeWorkspace.NewestRunAsync(db, workspaceId, cancel))!;
        // A failed or cancelled launch has already released everything.
        if (newest is { Kind: RunKind.Stop, Phase: RunPhase.Succeeded }
            or { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Failed or RunPhase.Cancelled })
            return new ChangeOutcome.Already();
        var outcome = ChangeWorkspace.WantLocked(db, workspace, newest, RunKind.Stop, actor);
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return outcome;
    }
}
