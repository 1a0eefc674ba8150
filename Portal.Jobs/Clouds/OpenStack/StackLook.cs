using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>All stacks and servers of the installation in one project, as one look saw them.</summary>
internal sealed record StacksNow(IReadOnlyList<(StackKey Key, HeatStack Stack)> Stacks, IReadOnlyList<(StackKey Key, NovaServer Server)> Servers)
{
    /// <summary>The same in the portal's words. Stacks without servers are clusters too: they hold addresses.</summary>
    /// <param name="nodes">By server, what is known of its node; null if only the servers count.</param>
    public IReadOnlyList<ClusterStatus> Clusters(IReadOnlyDictionary<string, NodeStatus>? nodes = null)
    {
        var (held, servers) = (Stacks.Select(s => s.Key.Workspace).ToHashSet(), Servers.ToLookup(s => s.Key.Workspace));
        return [.. held.Union(servers.Select(n => n.Key)).Select(w => new ClusterStatus(w, held.Contains(w),
            [.. servers[w].Select(s => nodes?.GetValueOrDefault(s.Server.Id) ?? NodeOf(s.Key, s.Server))
                .OrderBy(n => n.Generation).ThenBy(n => n.Name, StringComparer.Ordinal)]))];
    }

    /// <summary>What there is of one workspace.</summary>
    public StacksNow Of(Guid workspace) => new(
        [.. Stacks.Where(s => s.Key.Workspace == workspace)], [.. Servers.Where(s => s.Key.Workspace == workspace)]);

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
/// Looks at a project: one list of stacks and one of servers, however many workspaces and callers. There is one look at a time, and a second between the
/// beginnings of two. Callers share the last one, unless it is older, or something was changed through this process since it began: then they wait for
/// the next. What is decided for good is confirmed at the stack itself.
/// </summary>
internal sealed class StackLook(Heat heat, Nova nova, HeatNames names, TimeProvider clock)
{
    public static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();

    /// <summary>The last look that has begun, and one that waits for its turn.</summary>
    private Task<StacksNow>? _look, _next;
    private bool _changed;
    private long _at;

    public Task<StacksNow> NowAsync(CancellationToken cancel)
    {
        lock (_gate)
        {
            if (_look is { } look && !_changed && (!look.IsCompleted || (look.IsCompletedSuccessfully && clock.GetElapsedTime(_at) <= Tick)))
                return look.WaitAsync(cancel);
            return (_next ??= NextAsync(_look)).WaitAsync(cancel);
        }
    }

    /// <summary>Something was changed, or found changed: who asks from now on gets a look that begins later.</summary>
    public void Forget()
    {
        lock (_gate) _changed = true;
    }

    private async Task<StacksNow> NextAsync(Task<StacksNow>? last)
    {
        await Task.Yield(); // the caller holds the lock
        if (last is not null)
        {
            await Task.WhenAny(last); // its own callers see how it ended
            if (Tick - clock.GetElapsedTime(_at) is var left && left > TimeSpan.Zero) await Task.Delay(left, clock, CancellationToken.None);
        }
        lock (_gate) (_look, _next, _changed, _at) = (_next, null, false, clock.GetTimestamp());
        return await LookAsync();
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
