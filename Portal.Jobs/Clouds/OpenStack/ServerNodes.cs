using System.Collections.Concurrent;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>A node as its server's container engine shows it.</summary>
internal sealed record ServerNode(NodeEngine Engine, FoundNode Node);

/// <summary>
/// The containers on servers, through the servers' container engines. What a server says is not trusted: which workspace, node and generation it is comes
/// from Nova alone, and a fault of one server affects no other.
/// </summary>
internal sealed class ServerNodes(
    Stacks stacks, Nova nova, HeatNames names, ServerEngines engines, ServerRecipe recipe, ServerOptions options, TimeProvider clock, ILogger<ServerNodes> log)
{
    /// <summary>How long a server may take to answer, and one that did not answer the last time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5), WithSilent = TimeSpan.FromSeconds(0.5);

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, NodeStatus> _seen = new(StringComparer.Ordinal);

    /// <summary>Why servers did not answer the last time.</summary>
    private readonly ConcurrentDictionary<string, string> _silent = new(StringComparer.Ordinal);

    /// <summary>
    /// The containers of a stack that is done. The certificate of each server's engine is pinned here, once: what its signal said the first time.
    /// </summary>
    public async Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        var profile = await SeccompProfile.LoadAsync(options.SeccompBase, $"{ServerOptions.Section}:{nameof(options.SeccompBase)}", cancel);
        var servers = (await PinnedAsync(new(plan.Workspace, plan.Generation), cancel)).Where(s => s.Address is not null && engines.Of(s) is not null)
            .GroupBy(NodeOf, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.OrderBy(s => s.IsOff).First(), StringComparer.Ordinal);
        // Every node gets the names of all, and does not learn others later.
        if (plan.Nodes.FirstOrDefault(n => !servers.ContainsKey(n.Name)) is { } missing)
            return new EnsureAnswer.Working($"The portal is connecting to the server {missing.Name}.", Soon);
        var addresses = servers.ToDictionary(s => s.Key, s => s.Value.Address!, StringComparer.Ordinal);
        await Task.WhenAll(plan.Nodes.Select(async node =>
        {
            var engine = engines.Of(servers[node.Name])!;
            var there = await engine.FindAsync(cancel);
            var wanted = recipe.Of(plan, node, addresses, profile);
            if (there is null || (!plan.KeepsWhatIsThere && there.StateHash != wanted.Labels[Owned.State]))
                await ServerContent.BringAsync(engine, node, cancel);
            await engine.EnsureAsync(wanted, there, plan.KeepsWhatIsThere, cancel);
        }));
        return EnsureAnswer.IsDone;
    }

    /// <summary>What servers and their engines show together. A server that does not answer delays the others by no more than its patience.</summary>
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
        var there = now.Servers.Select(s => s.Server.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var id in _seen.Keys.Concat(_silent.Keys).Where(id => !there.Contains(id)))
        {
            _seen.TryRemove(id, out _);
            _silent.TryRemove(id, out _);
        }
    }

    /// <summary>Readings of the running nodes of all servers that answer.</summary>
    public async Task<IReadOnlyList<NodeSample>> SamplesAsync(StacksNow now, CancellationToken cancel)
    {
        var samples = await Task.WhenAll(now.Servers.Where(s => MayAnswer(s.Key, s.Server) && !_silent.ContainsKey(s.Server.Id)).Select(async s =>
            (await AskAsync(s.Server, async (engine, late) => await engine.FindAsync(late) is { State: NodeState.Running } node
                ? await engine.SampleAsync(node, late) : null, cancel)).Answer is { } sample
                ? sample with { Workspace = s.Key.Workspace, Node = NodeOf(s.Server), Generation = s.Key.Generation } : null));
        return [.. samples.OfType<NodeSample>().OrderBy(s => s.Workspace).ThenBy(s => s.Node, StringComparer.Ordinal)];
    }

    /// <summary>The container of a node's newest generation; null if there is none. Errors are those of its server's engine.</summary>
    public async Task<ServerNode?> NewestAsync(StacksNow now, Guid workspace, string node, CancellationToken cancel)
    {
        var newest = now.Servers.Where(s => s.Key.Workspace == workspace && NodeOf(s.Server) == node).OrderByDescending(s => s.Key.Generation)
            .FirstOrDefault();
        return newest.Server is not null && engines.Of(newest.Server) is { } engine && await engine.FindAsync(cancel) is { } found
            ? new(engine, found) : null;
    }

    private async Task<NodeStatus> SeeAsync(StackKey key, NovaServer server, CancellationToken cancel)
    {
        var machine = StacksNow.NodeOf(key, server);
        if (machine.State != NodeState.Running) return machine;
        if (!MayAnswer(key, server)) // it shuts down, or was not reached yet
            return machine with { State = server.Task.Length > 0 ? NodeState.Exited : NodeState.Building, Address = null };
        var (answered, status, fault) = await AskAsync(server,
            async (engine, late) => await engine.FindAsync(late) is { } node ? await engine.StatusAsync(node, late) : null, cancel);
        if (answered) return _seen[server.Id] = Of(machine, status, _seen.GetValueOrDefault(server.Id));
        // Somebody else answers in its place: nothing may be sent there. Silence alone says nothing of the node, and may pass.
        return fault is CloudException { Fault: CloudFault.Denied }
            ? machine with { State = NodeState.Broken, Address = null, Reason = fault.Message }
            : (_seen.GetValueOrDefault(server.Id) ?? machine) with { Reason = "its server does not answer the portal." };
    }

    /// <summary>A node as its container is. Its address is its server's: they share the network.</summary>
    private static NodeStatus Of(NodeStatus machine, NodeStatus? container, NodeStatus? before) => container switch
    {
        null when before is { State: NodeState.Running or NodeState.Exited } =>
            machine with { State = NodeState.Exited, Address = null, Reason = "its container was removed on its server." },
        null => machine with { State = NodeState.Building, Address = null },
        _ => machine with
        {
            State = container.State,
            ExitCode = container.ExitCode,
            OutOfMemory = container.OutOfMemory,
            Address = container.State == NodeState.Running ? machine.Address : null,
            StateHash = container.StateHash,
            Reason = container.Reason,
        },
    };

    /// <summary>Whether its engine can be asked: it runs, is not on its way down, and is known.</summary>
    private static bool MayAnswer(StackKey key, NovaServer server) => server.Task.Length == 0 && server.Address is not null
        && ServerEngines.FingerprintOf(server) is not null && StacksNow.NodeOf(key, server).State == NodeState.Running;

    /// <summary>Asks one server for something. Its answer or failure affects no other server.</summary>
    private async Task<(bool Answered, T? Answer, Exception? Fault)> AskAsync<T>(
        NovaServer server, Func<NodeEngine, CancellationToken, Task<T?>> ask, CancellationToken cancel) where T : class
    {
        using var late = new CancellationTokenSource(_silent.ContainsKey(server.Id) ? WithSilent : Patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        try
        {
            var answer = engines.Of(server) is { } engine ? await ask(engine, either.Token) : null;
            if (_silent.TryRemove(server.Id, out _)) log.LogInformation("The server {Server} answers again.", server.Name);
            return (true, answer, null);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            var why = e is OperationCanceledException ? "no answer in time" : e.Message;
            if (_silent.GetValueOrDefault(server.Id) != why)
                log.Log(e is CloudException { Fault: CloudFault.Denied } ? LogLevel.Error : LogLevel.Warning,
                    "The server {Server} does not answer the portal: {Why}", server.Name, ForeignText.Clean(why, 500));
            _silent[server.Id] = why;
            return (false, null, e);
        }
    }

    /// <summary>The servers of a generation; those whose signal is there have the fingerprint of their engine.</summary>
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
        if (signals.FirstOrDefault(s => s.Node == NodeOf(server))?.Data is not { Length: > 0 } said) return server; // not there yet
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
            return ForeignJson.Text(json.RootElement, "fingerprint") is { } text && ServerEngines.IsFingerprint(text) ? text : null;
        }
        catch (JsonException) { return null; }
    }

    private static string NodeOf(NovaServer server) => server.Metadata.GetValueOrDefault(HeatNames.Node) ?? "";
}
