using Portal.Core.Clouds;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Steps;

/// <summary>What a release removes, in this order; see <see cref="Release"/>.</summary>
public enum ReleaseStage { Nodes, Mounts, AccessRules, Network, Scratch }

/// <summary>
/// The only place that knows the order in which a cloud's resources are released: nodes seen gone, then the mounts that they used, then the rules that trusted
/// their host, seen gone, then the network whose addresses the rules named, then, of a deleted workspace or a leaving worker, scratch folders.
/// Plan steps, the clean-up before a new generation, leaving workers and sweeps all call it. Work folders are never removed here.
/// </summary>
public sealed class Release(CloudKit kit)
{
    private readonly IClusterCloud _clusters = kit.Clusters;
    private readonly IShareCloud _shares = kit.Shares;
    private readonly IFilesetCloud _filesets = kit.Filesets;

    /// <summary>
    /// Releases everything up to and including a stage. Every stage before it is looked at again, because a call by a dead worker may have
    /// succeeded since it was seen gone.
    /// </summary>
    /// <returns>What is still there, for a person: call again; null once all of it is seen gone.</returns>
    public async Task<string?> ThroughAsync(ReleaseStage last, ReleaseScope scope, CancellationToken cancel)
    {
        for (var stage = ReleaseStage.Nodes; stage <= last; stage++)
            if (await ReleaseAsync(stage, scope, cancel) is { } left) return left;
        return null;
    }

    private Task<string?> ReleaseAsync(ReleaseStage stage, ReleaseScope scope, CancellationToken cancel) => stage switch
    {
        ReleaseStage.Nodes => NodesAsync(scope, cancel),
        ReleaseStage.Mounts => MountsAsync(scope, cancel),
        ReleaseStage.AccessRules => AccessRulesAsync(scope, cancel),
        ReleaseStage.Network => NetworkAsync(scope, cancel),
        ReleaseStage.Scratch => ScratchAsync(scope, cancel),
        _ => throw new ArgumentOutOfRangeException(nameof(stage)),
    };

    private async Task<string?> NodesAsync(ReleaseScope scope, CancellationToken cancel)
    {
        if (await SeenAsync() is not { Count: > 0 } seen) return null;
        if (scope.UpTo is { } generation) await _clusters.RemoveNodesAsync(scope.Workspace, generation, cancel);
        else await _clusters.RemoveNodesAsync(scope.Workspace, [.. seen.Select(n => n.Name)], cancel);
        return await SeenAsync() is { Count: > 0 } left ? $"Nodes still shutting down: {left.Count}." : null;

        async Task<List<NodeStatus>> SeenAsync() =>
            [.. ((await _clusters.LookAsync(scope.Workspace, cancel))?.Nodes ?? []).Where(scope.Covers)];
    }

    private async Task<string?> MountsAsync(ReleaseScope scope, CancellationToken cancel)
    {
        foreach (var access in await AccessAsync(scope, cancel)) await _shares.UnmountAsync(access, cancel);
        return null; // a rule is denied only after its mount is gone, so what is left is seen there
    }

    private async Task<string?> AccessRulesAsync(ReleaseScope scope, CancellationToken cancel)
    {
        foreach (var access in await AccessAsync(scope, cancel)) await _shares.DenyAsync(access, cancel);
        return await AccessAsync(scope, cancel) is { Count: > 0 } left ? $"Access rules still in force: {left.Count}." : null;
    }

    private async Task<string?> NetworkAsync(ReleaseScope scope, CancellationToken cancel)
    {
        // Nodes that leave share their workspace's network with those that stay.
        if (scope.UpTo is not { } generation || await _clusters.LookAsync(scope.Workspace, cancel) is null) return null;
        await _clusters.RemoveNetworkAsync(scope.Workspace, generation, cancel);
        return await _clusters.LookAsync(scope.Workspace, cancel) is null ? null : "The network still exists.";
    }

    private async Task<string?> ScratchAsync(ReleaseScope scope, CancellationToken cancel)
    {
        foreach (var folder in await SeenAsync()) await _filesets.RemoveScratchAsync(folder, cancel);
        return await SeenAsync() is { Count: > 0 } left ? $"Scratch folders still being removed: {left.Count}." : null;

        async Task<List<FolderRef.Scratch>> SeenAsync() => [.. (await _filesets.ScratchAsync(scope.Workspace, cancel)).Where(scope.Covers)];
    }

    private async Task<List<ShareAccess>> AccessAsync(ReleaseScope scope, CancellationToken cancel) =>
        [.. (await _shares.AccessAsync(scope.Workspace, cancel)).Where(scope.Covers)];
}

/// <summary>What of a workspace is released: all of it up to a generation, or the nodes beyond those that it keeps.</summary>
public sealed record ReleaseScope
{
    private ReleaseScope(Guid workspace, int? upTo, IReadOnlyCollection<string> keep) => (Workspace, UpTo, Keep) = (workspace, upTo, keep);

    public Guid Workspace { get; }

    /// <summary>The newest generation that is released, so that a late call cannot touch a newer one; null for nodes of any generation.</summary>
    public int? UpTo { get; }

    /// <summary>Names of nodes that stay.</summary>
    public IReadOnlyCollection<string> Keep { get; }

    public static ReleaseScope Generations(Guid workspace, int upTo) => new(workspace, upTo, []);

    /// <summary>For a workspace that nobody wants any more.</summary>
    public static ReleaseScope All(Guid workspace) => new(workspace, int.MaxValue, []);

    public static ReleaseScope NodesBeyond(Guid workspace, IReadOnlyCollection<string> keep) => new(workspace, null, keep);

    public bool Covers(NodeStatus node) => UpTo is { } generation ? node.Generation <= generation : Leaves(node.Name);

    public bool Covers(ShareAccess access) =>
        UpTo is { } generation ? access.Generation <= generation : access.Folder is FolderRef.Scratch scratch && Leaves(scratch.Node);

    public bool Covers(FolderRef.Scratch folder) => UpTo is not null || Leaves(folder.Node);

    private bool Leaves(string node) => !Keep.Contains(node, StringComparer.Ordinal);
}
