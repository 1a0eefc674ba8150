using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Steps;

/// <summary>Rows are requests: checks again that the workspace is up, what may be changed, and for more workers what is checked for any order.</summary>
public sealed class CheckResize(IDbContextFactory<PortalDb> databases, OrderChecks checks) : IStep
{
    public StepKey Key => StepKey.CheckResize;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var facts = context.Facts;
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (await db.LifecycleRunAsync(facts.Workspace.Id, cancel) is not { } lifecycle || !lifecycle.IsUp())
            return new StepAnswer.Fail("The workspace is not running.", "Start it first.");
        if (facts.SizeId != facts.Workspace.SizeId || facts.Version.Id != facts.Workspace.TemplateVersionId)
            return new StepAnswer.Fail("Only the number of workers can change while it runs.", "Stop it to choose another size or version.");
        if (facts.Spec.WorkerRole() is null || !facts.Spec.Allows(facts.Workers))
            return new StepAnswer.Fail($"The template does not support {facts.Workers} workers.", "Choose another number.");
        if (facts.Shrinks(context.Run)) return StepAnswer.IsDone;
        return await checks.RefusalAsync(db, facts, cancel) is { } refusal
            ? refusal with { Remedy = "Choose fewer workers, or ask the operator." }
            : StepAnswer.IsDone;
    }
}

/// <summary>Removes the leaving workers and, as each is confirmed gone, ends its quota reservation and
/// capacity claim. From here on it cannot be reverted.</summary>
public sealed class DropWorkers(LeavingWorkers leavingWorkers, ReleaseRows rows, StepClock clock) : IStep
{
    public StepKey Key => StepKey.DropWorkers;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Grows) return StepAnswer.IsNothing;
        if (!context.Run.Releasing) await rows.KeepWorkersAsync(context.Run, context.Facts.Workers, cancel);
        var kept = await leavingWorkers.KeptAsync(context.Run.WorkspaceId, null, cancel);
        var left = await new Release(kept.Kit).ThroughAsync(ReleaseStage.Nodes, kept.Others, cancel);
        var seen = left is null ? [] : await LeavingWorkers.SeenAsync(kept, cancel);
        await rows.NodesGoneAsync(context.Run, [.. kept.Names, .. seen.Select(n => n.Name)], cancel);
        return left is null ? StepAnswer.IsDone : await clock.WaitAsync(context.Run, left, cancel);
    }
}

/// <summary>Removes mounts and rules of their scratch folders, after none of them exists.</summary>
public sealed class UnmountWorkers(LeavingWorkers leavingWorkers, StepClock clock) : IStep
{
    public StepKey Key => StepKey.UnmountWorkers;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Grows) return StepAnswer.IsNothing;
        var kept = await leavingWorkers.KeptAsync(context.Run.WorkspaceId, null, cancel);
        if (!kept.HasScratch) return StepAnswer.IsNothing;
        return await new Release(kept.Kit).ThroughAsync(ReleaseStage.AccessRules, kept.Others, cancel) is { } left
            ? await clock.WaitAsync(context.Run, left, cancel)
            : StepAnswer.IsDone;
    }
}

/// <summary>Removes their scratch folders, and then their reservations.</summary>
public sealed class DropWorkerScratch(LeavingWorkers leavingWorkers, ReleaseRows rows, StepClock clock) : IStep
{
    public StepKey Key => StepKey.DropWorkerScratch;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Grows) return StepAnswer.IsNothing;
        var kept = await leavingWorkers.KeptAsync(context.Run.WorkspaceId, null, cancel);
        if (!kept.HasScratch) return StepAnswer.IsNothing;
        if (await new Release(kept.Kit).ThroughAsync(ReleaseStage.Scratch, kept.Others, cancel) is { } left)
            return await clock.WaitAsync(context.Run, left, cancel);
        await rows.ScratchGoneAsync(context.Run, kept.Names, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Stores the larger number once every new worker has registered. A smaller one was stored when workers were removed.</summary>
public sealed class KeepWorkers(ReleaseRows rows) : IStep
{
    public StepKey Key => StepKey.KeepWorkers;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (!context.Grows) return StepAnswer.IsNothing;
        await rows.KeepWorkersAsync(context.Run, context.Facts.Workers, cancel);
        return StepAnswer.IsDone;
    }
}
