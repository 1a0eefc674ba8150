using Portal.Core.Runs;

namespace Portal.Jobs.Steps;

/// <summary>Removes all nodes, and only once none is seen ends their quota reservations and capacity claims. Storage is not touched before that.</summary>
public sealed class StopNodes(ReleaseRows rows, StepClock clock) : IStep
{
    public StepKey Key => StepKey.StopNodes;

    public Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel) =>
        ReleaseStep.RunAsync(clock, ReleaseStage.Nodes, context, () => rows.NodesGoneAsync(context.Run, cancel), cancel);
}

/// <summary>Removes the mounts on the workspace's host, after no node uses them.</summary>
public sealed class Unmount(StepClock clock) : IStep
{
    public StepKey Key => StepKey.Unmount;

    public Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel) =>
        ReleaseStep.RunAsync(clock, ReleaseStage.Mounts, context, () => Task.CompletedTask, cancel);
}

/// <summary>Revokes the rules for the host's address, after it has unmounted and before the address is free.</summary>
public sealed class DenyAccess(StepClock clock) : IStep
{
    public StepKey Key => StepKey.DenyAccess;

    public Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel) =>
        ReleaseStep.RunAsync(clock, ReleaseStage.AccessRules, context, () => Task.CompletedTask, cancel);
}

/// <summary>Removes network and addresses, when no rule trusts them any more.</summary>
public sealed class DropNetwork(ReleaseRows rows, StepClock clock) : IStep
{
    public StepKey Key => StepKey.DropNetwork;

    public Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel) =>
        ReleaseStep.RunAsync(clock, ReleaseStage.Network, context, () => rows.AddressFreeAsync(context.Run, cancel), cancel);
}

/// <summary>Removes scratch folders with the compute engines' data; last of all storage, and only for a deleted workspace.</summary>
public sealed class DropScratch(ReleaseRows rows, StepClock clock) : IStep
{
    public StepKey Key => StepKey.DropScratch;

    public Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel) =>
        ReleaseStep.RunAsync(clock, ReleaseStage.Scratch, context, () => rows.ScratchGoneAsync(context.Run, cancel), cancel);
}

/// <summary>Ends the workspace itself. The work folder stays.</summary>
public sealed class Forget(ReleaseRows rows) : IStep
{
    public StepKey Key => StepKey.Forget;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        await rows.ForgetAsync(context.Run, cancel);
        return StepAnswer.IsDone;
    }
}

internal static class ReleaseStep
{
    /// <summary>One stage of the run's own generation and older ones; then the rows that say so.</summary>
    public static async Task<StepAnswer> RunAsync(StepClock clock, ReleaseStage stage, StepContext context, Func<Task> gone,
        CancellationToken cancel)
    {
        var scope = ReleaseScope.Generations(context.Run.WorkspaceId, context.Facts.Workspace.Generation);
        if (await new Release(context.Facts.Kit).ThroughAsync(stage, scope, cancel) is { } left) return await clock.WaitAsync(context.Run, left, cancel);
        await gone();
        return StepAnswer.IsDone;
    }
}
