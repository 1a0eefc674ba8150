namespace Portal.Core.Clouds;

/// <summary>The same calls for all generations, for callers that know that none is wanted any more.</summary>
public static class WholeWorkspace
{
    public static Task RemoveNodesAsync(this IClusterCloud clusters, Guid workspace, CancellationToken cancel) =>
        clusters.RemoveNodesAsync(workspace, int.MaxValue, cancel);
    public static Task RemoveNetworkAsync(this IClusterCloud clusters, Guid workspace, CancellationToken cancel) =>
        clusters.RemoveNetworkAsync(workspace, int.MaxValue, cancel);
    public static Task UnmountAsync(this IShareCloud shares, Guid workspace, CancellationToken cancel) => shares.UnmountAsync(workspace, int.MaxValue, cancel);
    public static Task DenyAsync(this IShareCloud shares, Guid workspace, CancellationToken cancel) => shares.DenyAsync(workspace, int.MaxValue, cancel);
}
