using Portal.Core.Clouds;
using Portal.Core.Runs;

namespace Portal.Jobs.Steps;

/// <summary>Creates the class share and in it the person's work folder and the nodes' scratch folders, each with its limit.</summary>
public sealed class EnsureWorkFolder(IShareCloud shares, IFilesetCloud filesets) : IStep
{
    public StepKey Key => StepKey.EnsureWorkFolder;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var facts = context.Facts;
        if (facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var (_, @class, _, person, _, folder, _) = facts;
        await shares.EnsureShareAsync(@class.Id, (long)@class.Limits.StorageGib << 30, cancel);
        await filesets.EnsureAsync(@class.Id, person.Id, person.Uid, (long)folder.LimitGib << 30, cancel);
        foreach (var node in facts.Nodes.Where(n => n.Role.ScratchGib > 0))
            await filesets.EnsureScratchAsync(new(@class.Id, facts.Workspace.Id, node.Name), person.Uid, (long)node.Role.ScratchGib << 30, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Gives the workspace's host access to those folders and mounts them there.</summary>
public sealed class EnsureAccess(IClusterCloud clusters, IShareCloud shares, ClusterPlans plans, RunFactsReader facts) : IStep
{
    public StepKey Key => StepKey.EnsureAccess;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        if (await ClearAsync(now.Id, now.Generation - 1, cancel) is { } wait) return wait;
        await plans.MountAsync(context.Facts, now, cancel);
        return StepAnswer.IsDone;
    }

    /// <summary>
    /// Revokes the access of all earlier generations. They leave something behind if a broken workspace is started without being stopped first,
    /// or if the database came back without its last commits and the generation was begun again. Removal follows the order of a
    /// release: the mount after its last user.
    /// </summary>
    private async Task<StepAnswer?> ClearAsync(Guid workspace, int upTo, CancellationToken cancel)
    {
        if (!await IsTrustedAsync()) return null;
        if (await HasNodesAsync())
        {
            await clusters.RemoveNodesAsync(workspace, upTo, cancel);
            if (await HasNodesAsync()) return StepAnswer.Soon("The previous nodes are still shutting down.");
        }
        await shares.UnmountAsync(workspace, upTo, cancel);
        await shares.DenyAsync(workspace, upTo, cancel);
        return await IsTrustedAsync() ? StepAnswer.Soon("The previous access rule is still in place.") : null;

        async Task<bool> IsTrustedAsync() => (await shares.AccessAsync(cancel)).Any(a => a.Workspace == workspace && a.Generation <= upTo);
        async Task<bool> HasNodesAsync() => await clusters.LookAsync(workspace, cancel) is { } there && there.Nodes.Any(n => n.Generation <= upTo);
    }
}

/// <summary>Creates the network and nodes of the current generation.</summary>
public sealed class EnsureCluster(IClusterCloud clusters, ClusterPlans plans, RunFactsReader facts) : IStep
{
    public StepKey Key => StepKey.EnsureCluster;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var plan = await plans.MakeAsync(context.Facts, await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel), cancel);
        await clusters.EnsureAsync(plan with { KeepsWhatIsThere = context.Run.Kind is RunKind.Resize }, cancel);
        return StepAnswer.IsDone;
    }
}
