using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>All stacks and servers of the installation in one project, as one look saw them.</summary>
internal sealed record StacksNow(IReadOnlyList<(StackKey Key, HeatStack Stack)> Stacks, IReadOnlyList<(StackKey Key, NovaServer Server)> Servers)
{
    /// <summary>The same in the portal's words. Stacks without servers are clusters too: they hold addresses.</summary>
    public IReadOnlyList<ClusterStatus> Clusters()
    {
        var (held, nodes) = (Stacks.Select(s => s.Key.Workspace).ToHashSet(), Servers.ToLookup(s => s.Key.Workspace));
        return [.. held.Union(nodes.Select(n => n.Key)).Select(w => new ClusterStatus(w, held.Contains(w),
            [.. nodes[w].Select(n => NodeOf(n.Key, n.Server)).OrderBy(n => n.Generation).ThenBy(n => n.Name, StringComparer.Ordinal)]))];
    }

    /// <summary>A server as the node that it carries.</summary>
    public static NodeStatus NodeOf(StackKey key, NovaServer server)
    {
        var state = server switch
        {
            { Status: "BUILD" or "REBUILD" } => NodeState.Building,
            { Status: "ERROR" } => NodeState.Broken,
            { IsOff: true } => NodeState.Exited,
            _ => NodeState.Running,
        };
        return new(server.Metadata.GetValueOrDefault(HeatNames.Node) ?? "", server.Metadata.GetValueOrDefault(HeatNames.Role) ?? "", key.Generation, state,
            null, false, state == NodeState.Running ? server.Address : null, server.Metadata.GetValueOrDefault(HeatNames.State) ?? "")
        {
            Reason = state == NodeState.Broken ? server.Fault ?? "the cloud reports the server as failed, without a reason." : null,
        };
    }
}

/// <summary>
/// Looks at a project: one list of stacks and one of servers, however many workspaces and callers. Callers within a second share a look, unless
/// something was changed through this process meanwhile. What is decided for good is confirmed at the stack itself.
/// </summary>
internal sealed class StackLook(Heat heat, Nova nova, HeatNames names, TimeProvider clock)
{
    public static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private Task<StacksNow>? _look;
    private long _at;

    public Task<StacksNow> NowAsync(CancellationToken cancel)
    {
        lock (_gate)
        {
            if (_look is null or { IsFaulted: true } or { IsCanceled: true } || clock.GetElapsedTime(_at) > Tick)
                (_look, _at) = (LookAsync(), clock.GetTimestamp());
            return _look.WaitAsync(cancel);
        }
    }

    /// <summary>Something was changed: who asks next gets a new look.</summary>
    public void Forget()
    {
        lock (_gate) _look = null;
    }

    /// <summary>Not cancelled with the caller that happens to be the first: others wait for it too. The calls have deadlines.</summary>
    private async Task<StacksNow> LookAsync()
    {
        // Servers first: a stack ends after its servers, so what still holds something is seen, whatever happens between the calls.
        var servers = await nova.ServersAsync(CancellationToken.None);
        var stacks = await heat.StacksAsync(names.Ours, CancellationToken.None);
        return new(
            [.. stacks.Select(s => (Key: names.KeyOf(s), Stack: s)).Where(s => s.Key is not null).Select(s => (s.Key!, s.Stack))],
            [.. servers.Select(s => (Key: names.KeyOf(s), Server: s)).Where(s => s.Key is not null).Select(s => (s.Key!, s.Server))]);
    }
}
