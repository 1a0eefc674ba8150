using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Releases everything but the work folder. Always accepted, even if something else is in progress.</summary>
public sealed class DeleteWorkspace(IDbContextFactory<PortalDb> databases)
{
    public async Task<ChangeOutcome> RunAsync(Actor actor, Guid workspaceId, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await ChangeWorkspace.FindLockedAsync(db, actor, workspaceId, Verb.DeleteWorkspace, cancel) is not { } workspace)
            return new ChangeOutcome.NotFound();
        var newest = (await ChangeWorkspace.NewestRunAsync(db, workspaceId, cancel))!;
        var outcome = ChangeWorkspace.WantLocked(db, workspace, newest, RunKind.Delete, actor);
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return outcome;
    }
}
