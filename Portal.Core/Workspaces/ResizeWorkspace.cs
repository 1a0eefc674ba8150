using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>
/// Changes the number of workers while the workspace is running. More are reserved at all levels and admitted like a launch; fewer are drained first.
/// Requesting the current number while another is being made reverts that, unless workers have begun to leave: those do not come back.
/// </summary>
public sealed class ResizeWorkspace(IDbContextFactory<PortalDb> databases)
{
    public async Task<ChangeOutcome> RunAsync(Actor actor, Guid workspaceId, int workers, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await ChangeWorkspace.FindLockedAsync(db, actor, workspaceId, Verb.ResizeWorkspace, cancel) is not { } workspace)
            return new ChangeOutcome.NotFound();
        var newest = (await ChangeWorkspace.NewestRunAsync(db, workspaceId, cancel))!;
        var outcome = newest.Phase.IsFinished()
            ? await OrderLockedAsync(db, workspace, newest, workers, actor, cancel)
            : WhileOneIsUnderWayLocked(db, workspace, newest, workers, actor);
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return outcome;
    }

    private static ChangeOutcome WhileOneIsUnderWayLocked(PortalDb db, Workspace workspace, Run newest, int workers, Actor actor)
    {
        if (newest.Kind is RunKind.Resize)
        {
            if (newest.Workers == workers && workspace.RequestedRun is null) return new ChangeOutcome.Already();
            if (workspace.RequestedRun is not (null or RunKind.Resize) || workers != workspace.Workers) return new ChangeOutcome.Refused(ChangeRefusal.NotNow);
            if (newest.Workers < workspace.Workers && newest.DoneStep is not null) return new ChangeOutcome.Refused(ChangeRefusal.NotNow);
        }
        return ChangeWorkspace.WantLocked(db, workspace, newest, new Run { WorkspaceId = workspace.Id, Kind = RunKind.Resize, Workers = workers }, actor);
    }

    private static async Task<ChangeOutcome> OrderLockedAsync(PortalDb db, Workspace workspace, Run newest, int workers, Actor actor, CancellationToken cancel)
    {
        var version = await db.TemplateVersions.AsNoTracking().SingleAsync(t => t.Id == workspace.TemplateVersionId, cancel);
        if (version.Spec.WorkerRole() is null || !version.Spec.Allows(workers))
            return new ChangeOutcome.Refused(ChangeRefusal.OverQuota, new(RefusalReason.WorkersUnknown, "workers"));
        if (await db.LifecycleRunAsync(workspace.Id, cancel) is not { } lifecycle || !lifecycle.IsUp()) return new ChangeOutcome.Refused(ChangeRefusal.NotNow);
        if (workers == workspace.Workers) return new ChangeOutcome.Already();
        if (!await NodesHealthy.ReadAsync(db, workspace, version.Spec, cancel)) return new ChangeOutcome.Refused(ChangeRefusal.NotNow);
        if (workers > workspace.Workers)
        {
            var growth = await ResizeFacts.ReadAsync(db, workspace, version, workers, cancel);
            if (LaunchPolicy.Decide(growth.Facts) is { } refusal) return new ChangeOutcome.Refused(ChangeRefusal.OverQuota, refusal);
            db.Reservations.AddRange(growth.Missing);
        }
        return ChangeWorkspace.WantLocked(db, workspace, newest, new Run { WorkspaceId = workspace.Id, Kind = RunKind.Resize, Workers = workers }, actor);
    }
}
