using System.Collections.Concurrent;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>A node as its server's engine shows it.</summary>
internal sealed record ServerNode(NodeEngine Engine, FoundNode Node);

/// <summary>The containers on servers, through the servers' own engines.</summary>
internal sealed class ServerNodes(
    Stacks stacks, Nova nova, HeatNames names, ServerEngines engines, ServerRecipe recipe, ServerOptions options, TimeProvider clock)
{
    /// <summary>How long what a server last said is believed while it does not answer.</summary>
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, (long At, NodeStatus Status)> _seen = new(StringComparer.Ordinal);

    /// <summary>
    /// The containers of a stack that is done. The certificate of each server's engine is pinned here, once: what its signal said the first time.
    /// </summary>
    public async Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        var profile = await SeccompProfile.LoadAsync(options.SeccompBase, $"{ServerOptions.Section}:{nameof(options.SeccompBase)}", cancel);
        var key = new StackKey(plan.Workspace, plan.Generation);
        var servers = await PinnedAsync(key, cancel);
        var addresses = servers.Where(s => s.Address is not null).ToDictionary(NodeOf, s => s.Address!, StringComparer.Ordinal);
        var answers = await Task.WhenAll(plan.Nodes.Select(async node =>
        {
            if (servers.FirstOrDefault(s => NodeOf(s) == node.Name) is not { } server || engines.Of(server) is not { } engine)
                return new EnsureAnswer.Working($"The server {node.Name} is not reachable yet.", Soon);
            var there = await engine.FindAsync(cancel);
            var places = await ServerContent.BringAsync(engine, node, write: there is null, cancel);
            await engine.EnsureAsync(recipe.Of(plan, node, addresses, places, profile), there, plan.KeepsWhatIsThere, cancel);
            return EnsureAnswer.IsDone;
        }));
        return answers.FirstOrDefault(a => a is not EnsureAnswer.Done) ?? EnsureAnswer.IsDone;
    }

    /// <summary>What servers and their engines show together. A server that does not answer delays none of the others.</summary>
    public async Task<IReadOnlyList<ClusterStatus>> SeeAsync(StacksNow now, CancellationToken cancel)
    {
        var nodes = await Task.WhenAll(now.Servers.Select(async s => (s.Server.Id, Node: await SeeAsync(s.Key, s.Server, cancel))));
        return now.Clusters(nodes.ToDictionary(n => n.Id, n => n.Node, StringComparer.Ordinal));
    }

    /// <summary>Forgets the servers that are no longer there.</summary>
    /// <param name="now">Of the whole project.</param>
    public void Keep(StacksNow now)
    {
        engines.Keep(now.Servers.Select(s => s.Server));
        foreach (var gone in _seen.Keys.Except(now.Servers.Select(s => s.Server.Id), StringComparer.Ordinal)) _seen.TryRemove(gone, out _);
    }

    /// <summary>The running containers of all servers, for readings.</summary>
    public async Task<IReadOnlyList<ServerNode>> RunningAsync(StacksNow now, CancellationToken cancel)
    {
        var found = await Task.WhenAll(now.Servers.Select(s => FindAsync(s.Server, cancel)));
        return [.. found.OfType<ServerNode>().Where(n => n.Node.State == NodeState.Running)];
    }

    /// <summary>The container of a node's newest generation; null if there is none.</summary>
    public async Task<ServerNode?> NewestAsync(StacksNow now, Guid workspace, string node, CancellationToken cancel)
    {
        var newest = now.Servers.Where(s => s.Key.Workspace == workspace && NodeOf(s.Server) == node).OrderByDescending(s => s.Key.Generation)
            .Select(s => s.Server).FirstOrDefault();
        return newest is null || engines.Of(newest) is not { } engine ? null : await FindAsync(engine, cancel);
    }

    private async Task<NodeStatus> SeeAsync(StackKey key, NovaServer server, CancellationToken cancel)
    {
        var machine = StacksNow.NodeOf(key, server);
        if (machine.State != NodeState.Running) return machine;
        if (engines.Of(server) is not { } engine) return Building();
        var at = clock.GetTimestamp();
        var answer = await ContainerEngineTasks.OfOneAsync<NodeStatus?>(clock, async late =>
            await FindAsync(engine, late) is { } node ? await StatusAsync(node, machine, late) : Building(), cancel);
        if (answer is not null) return (_seen[server.Id] = (at, answer)).Status;
        var last = _seen.GetOrAdd(server.Id, (at, Building()));
        return clock.GetElapsedTime(last.At) <= Believed ? last.Status
            : machine with { State = NodeState.Broken, Address = null, Reason = "its server does not answer the portal." };

        NodeStatus Building() => machine with { State = NodeState.Building, Address = null };
    }

    /// <summary>Its address is its server's: they share the network.</summary>
    private static async Task<NodeStatus> StatusAsync(ServerNode found, NodeStatus machine, CancellationToken cancel)
    {
        var status = await found.Engine.StatusAsync(found.Node, cancel);
        return status with { Address = status.State == NodeState.Running ? machine.Address : null };
    }

    private Task<ServerNode?> FindAsync(NovaServer server, CancellationToken cancel) => engines.Of(server) is { } engine
        ? ContainerEngineTasks.OfOneAsync(clock, late => FindAsync(engine, late), cancel) : Task.FromResult<ServerNode?>(null);

    private static async Task<ServerNode?> FindAsync(NodeEngine engine, CancellationToken cancel) =>
        await engine.FindAsync(cancel) is { } node ? new(engine, node) : null;

    /// <summary>The servers of a generation, each with the fingerprint of its engine.</summary>
    private async Task<IReadOnlyList<NovaServer>> PinnedAsync(StackKey key, CancellationToken cancel)
    {
        var servers = await nova.ServersAsync(names, key, cancel);
        if (servers.All(s => ServerEngines.FingerprintOf(s) is not null)) return servers;
        var signals = await stacks.SignalsAsync(key, cancel);
        var pinned = new List<NovaServer>();
        foreach (var server in servers) pinned.Add(ServerEngines.FingerprintOf(server) is null ? await PinAsync(server, signals, cancel) : server);
        stacks.Forget();
        return pinned;
    }

    private async Task<NovaServer> PinAsync(NovaServer server, IReadOnlyList<ServerSignal> signals, CancellationToken cancel)
    {
        var said = signals.FirstOrDefault(s => s.Node == NodeOf(server))?.Data ?? "";
        if (FingerprintIn(said) is not { } fingerprint)
        {
            throw new CloudException(Services.Nova, CloudFault.Refused,
                $"the server {NodeOf(server)} did not say which certificate its container engine has, but \"{ForeignText.Clean(said, 200)}\"",
                $"Build the server image of this version of the portal, upload it, and check {ServerOptions.Section}:Program.");
        }
        await nova.PinAsync(server.Id, fingerprint, cancel);
        return server with { Metadata = new Dictionary<string, string>(server.Metadata, StringComparer.Ordinal) { [HeatNames.Fingerprint] = fingerprint } };
    }

    /// <summary>Of what a server's program printed; null if it is not there.</summary>
    internal static string? FingerprintIn(string said)
    {
        try
        {
            using var json = JsonDocument.Parse(said);
            return Foreign.ForeignJson.Text(json.RootElement, "fingerprint") is { } text && ServerEngines.IsFingerprint(text) ? text : null;
        }
        catch (JsonException) { return null; }
    }

    private static string NodeOf(NovaServer server) => server.Metadata.GetValueOrDefault(HeatNames.Node) ?? "";
}
