using Portal.Core.Clouds;
using Portal.Core.Runs;

namespace Portal.Jobs.Steps;

/// <summary>Removes all nodes, and only once none is seen ends their quota reservations and capacity claims. Storage is not touched before that.</summary>
public sealed class StopNodes(IClusterCloud clusters, ReleaseRows rows) : IStep
{
    public StepKey Key => StepKey.StopNodes;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var id = context.Run.WorkspaceId;
        if (await clusters.LookAsync(id, cancel) is { Nodes.Count: > 0 })
        {
            await clusters.RemoveNodesAsync(id, context.Facts.Workspace.Generation, cancel);
            if (await clusters.LookAsync(id, cancel) is { Nodes.Count: > 0 and var left }) return StepAnswer.Soon($"Nodes still shutting down: {left}.");
        }
        await rows.NodesGoneAsync(context.Run, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Removes the mount on the workspace's host, after no node uses it.</summary>
public sealed class Unmount(IClusterCloud clusters, IShareCloud shares) : IStep
{
    public StepKey Key => StepKey.Unmount;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        // A call by a dead worker may have succeeded since the nodes were confirmed gone.
        if (await clusters.LookAsync(context.Run.WorkspaceId, cancel) is { Nodes.Count: > 0 })
        {
            await clusters.RemoveNodesAsync(context.Run.WorkspaceId, context.Facts.Workspace.Generation, cancel);
            return StepAnswer.Soon("A node started late and is being shut down again.");
        }
        await shares.UnmountAsync(context.Run.WorkspaceId, context.Facts.Workspace.Generation, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Revokes the rule for the host's address, after it has unmounted and before the address is free.</summary>
public sealed class DenyAccess(IShareCloud shares) : IStep
{
    public StepKey Key => StepKey.DenyAccess;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var id = context.Run.WorkspaceId;
        await shares.DenyAsync(id, context.Facts.Workspace.Generation, cancel);
        return (await shares.AccessAsync(cancel)).Any(a => a.Workspace == id) ? StepAnswer.Soon("The access rule is still in place.") : StepAnswer.IsDone;
    }
}

/// <summary>Removes network and addresses, when no rule trusts them any more.</summary>
public sealed class DropNetwork(IClusterCloud clusters, ReleaseRows rows) : IStep
{
    public StepKey Key => StepKey.DropNetwork;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var id = context.Run.WorkspaceId;
        if (await clusters.LookAsync(id, cancel) is { } left)
        {
            // A stale call has created something in the meantime: it is removed in the same order.
            if (left.Nodes.Count > 0) await clusters.RemoveNodesAsync(id, context.Facts.Workspace.Generation, cancel);
            await clusters.RemoveNetworkAsync(id, context.Facts.Workspace.Generation, cancel);
            if (await clusters.LookAsync(id, cancel) is not null) return StepAnswer.Soon("The network still exists.");
        }
        await rows.AddressFreeAsync(context.Run, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Removes scratch folders with the compute engines' data; last of all storage, and only for a deleted workspace.</summary>
public sealed class DropScratch(IFilesetCloud filesets, ReleaseRows rows) : IStep
{
    public StepKey Key => StepKey.DropScratch;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var workspace = context.Facts.Workspace;
        if ((await filesets.ScratchAsync(cancel)).Any(f => f.Workspace == workspace.Id))
        {
            await filesets.RemoveScratchAsync(workspace.ClassId, workspace.Id, nodes: null, cancel);
            if ((await filesets.ScratchAsync(cancel)).Any(f => f.Workspace == workspace.Id))
                return StepAnswer.Soon("The scratch folders are still being removed.");
        }
        await rows.ScratchGoneAsync(context.Run, cancel);
        return StepAnswer.IsDone;
    }
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
