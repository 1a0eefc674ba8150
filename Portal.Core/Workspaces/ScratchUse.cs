namespace Portal.Core.Workspaces;

/// <summary>How full the scratch folder of a node is.</summary>
public enum ScratchState { Normal, NearlyFull, Full }

/// <summary>The scratch folder of one node.</summary>
/// <param name="UsedBytes">Null if it is not known; its state is then Normal.</param>
/// <param name="Remedy">How to free space, from the template; null if the template does not say.</param>
public sealed record ScratchView(string Node, long? UsedBytes, long LimitBytes, ScratchState State, string? Remedy)
{
    /// <summary>False: usage is only counted, and writers are not stopped at the limit.</summary>
    public bool Enforced { get; init; } = true;
}

/// <summary>Compute engines that cannot write to their scratch folders hang or fail, some of them silently, so the portal monitors them.</summary>
public static class ScratchUse
{
    /// <summary>Shares of the limit. A write is refused as soon as it would exceed the limit, so a full folder is somewhat below it.</summary>
    private const double NearlyFull = .9, Full = .97;

    /// <param name="used">Bytes; null if unknown.</param>
    /// <param name="limit">Bytes; 0 if unknown.</param>
    public static ScratchState StateOf(long? used, long limit) =>
        limit <= 0 || used is null || used < NearlyFull * limit ? ScratchState.Normal : used < Full * limit ? ScratchState.NearlyFull : ScratchState.Full;

    /// <summary>The scratch folder of every node that was seen and has one.</summary>
    public static IReadOnlyList<ScratchView> Of(WorkspaceView workspace)
    {
        var roles = workspace.Template.Roles.Where(r => r.ScratchGib > 0).ToDictionary(r => r.Name, StringComparer.Ordinal);
        return
        [
            .. from node in workspace.Nodes
               let role = roles.GetValueOrDefault(node.Role)
               where role is not null
               let limit = (long)role.ScratchGib << 30
               let enforced = workspace.Folder.Enforced
               let state = enforced ? StateOf(node.ScratchBytes, limit) : node.ScratchBytes >= limit ? ScratchState.Full : ScratchState.Normal
               select new ScratchView(node.Name, node.ScratchBytes, limit, state, role.ScratchRemedy) { Enforced = enforced },
        ];
    }
}
