using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Portal.Core.Clouds;
using Portal.Jobs.Proofs;

namespace Portal.TestKit.Scripted;

/// <summary>What a call does, chosen by the test before each call.</summary>
public enum Mood
{
    /// <summary>It works.</summary>
    Well,
    /// <summary>It succeeds but the response is lost: the caller gets Unavailable.</summary>
    WorksAnswerLost,
    /// <summary>Nothing happens, and the caller gets Unavailable.</summary>
    Unavailable,
    /// <summary>The cloud refuses, permanently.</summary>
    Refuses,
    /// <summary>The caller dies here; its request is carried out, but nobody gets the response.</summary>
    CallerDiesDone,
    /// <summary>The caller dies here; its request is carried out only at <see cref="ScriptedClouds.LandLateCalls"/>.</summary>
    CallerDiesLate,
}

/// <summary>
/// Cluster, shares, filesets and kernel check in memory, with moods. Keeps the state of the whole site and checks after every action that storage
/// is never touched while a node that uses it exists, and no address is free while a rule trusts it.
/// </summary>
public sealed class ScriptedClouds(Func<string, Guid, Mood> mood) : IClusterCloud, IShareCloud, IFilesetCloud, INotebookProof
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, Site> _sites = [];
    private readonly List<TaskCompletionSource> _dead = [];
    private readonly List<Action> _late = [];
    private ImmutableArray<string> _broken = [];
    private int _made, _looks;

    /// <summary>Release rules that were broken, with the action that broke them.</summary>
    public ImmutableArray<string> Broken => _broken;

    /// <summary>Result of the kernel check; success unless the test says otherwise.</summary>
    public Func<ProofOrder, ProofOutcome> Proof { get; set; } = _ => new ProofOutcome.Proven();

    /// <summary>What happens to a node once it was started.</summary>
    public Func<string, NodeState> Born { get; set; } = _ => NodeState.Running;

    /// <summary>Of every node that runs.</summary>
    public string Address { get; set; } = "10.0.0.2";

    /// <summary>The newest plan that was asked for.</summary>
    public ClusterPlan? Planned { get; private set; }

    /// <summary>How often somebody looked at one workspace's nodes.</summary>
    public int Looks => _looks;

    /// <summary>Nothing answers.</summary>
    public bool IsUnavailable { get; set; }

    /// <summary>Clusters do not answer, storage does.</summary>
    public bool ContainerEngineIsUnavailable { get; set; }

    /// <summary>Storage does not answer, clusters do.</summary>
    public bool StorageIsUnavailable { get; set; }

    /// <summary>Address blocks that something else on the host uses.</summary>
    public Func<string, bool> Foreign { get; set; } = _ => false;

    /// <summary>What the folders use.</summary>
    public IReadOnlyList<FilesetUsage> Folders { get; set; } = [];

    /// <summary>How the nodes of a workspace come up; null: they start running.</summary>
    public Func<Guid, (int ExitCode, bool OutOfMemory)?> Dies { get; set; } = _ => null;

    private sealed class Site
    {
        /// <summary>Generation that holds it; 0 for none.</summary>
        public int Network;

        /// <summary>Generations whose folder is mounted, and those that are trusted.</summary>
        public ImmutableHashSet<int> Mounts = [], Rules = [];
        public ImmutableDictionary<string, int> Going = ImmutableDictionary<string, int>.Empty;
        public ImmutableHashSet<string> ScratchMounts = [], ScratchRules = [];
        public ImmutableArray<NodeStatus> Nodes = [];
        public ImmutableHashSet<ScratchFolder> Scratch = [];
    }

    /// <summary>What is left of a workspace, in words; empty if nothing is.</summary>
    public string LeftOf(Guid workspace)
    {
        lock (_gate)
        {
            if (!_sites.TryGetValue(workspace, out var s)) return "";
            return string.Join(
                ' ', new[] { s.Nodes.Length > 0
                    ? "nodes"
                    : "", s.Mounts.Count > 0 ? "mount" : "", s.Rules.Count > 0 ? "rule" : "", s.Network > 0 ? "network" : "",
                    s.Scratch.Count > 0 ? "scratch" : "", s.ScratchMounts.Count + s.ScratchRules.Count > 0 ? "scratch-access" : "" }.Where(w => w.Length > 0));
        }
    }

    /// <summary>Existing nodes, with an id that distinguishes containers of the same name.</summary>
    public IReadOnlyList<NodeStatus> NodesOf(Guid workspace)
    {
        lock (_gate) return _sites.TryGetValue(workspace, out var s) ? s.Nodes : [];
    }

    /// <summary>Nodes whose scratch folder exists, and those whose folder is still trusted or mounted.</summary>
    public (string[] Folders, string[] Trusted) ScratchOf(Guid workspace)
    {
        lock (_gate) return _sites.TryGetValue(workspace, out var s)
            ? ([.. s.Scratch.Select(f => f.Node).Order(StringComparer.Ordinal)], [.. s.ScratchMounts.Union(s.ScratchRules).Order(StringComparer.Ordinal)])
            : ([], []);
    }

    /// <summary>A node exits by itself, or is removed from outside.</summary>
    public void Kill(Guid workspace, string node, int? exitCode = 137, bool outOfMemory = false)
    {
        lock (_gate)
        {
            var s = _sites[workspace];
            s.Nodes = [.. s.Nodes.Where(n => n.Name != node || exitCode is not null)
                .Select(n => n.Name == node ? n with { State = NodeState.Exited, ExitCode = exitCode, OutOfMemory = outOfMemory, Address = null } : n)];
        }
    }

    public bool Runs(Guid workspace)
    {
        lock (_gate) return _sites.TryGetValue(workspace, out var s)
            && s.Nodes.Any(n => n.State == NodeState.Running)
            && s is { Mounts.Count: > 0, Rules.Count: > 0, Network: > 0 };
    }

    /// <summary>Carries out the requests of dead callers now.</summary>
    public void LandLateCalls()
    {
        Action[] late;
        lock (_gate) { late = [.. _late]; _late.Clear(); }
        foreach (var act in late) act();
    }

    /// <summary>Ends the dead callers' tasks, so that nothing keeps running.</summary>
    public void Bury()
    {
        foreach (var dead in _dead) dead.TrySetCanceled();
    }

    public Task<CloudReport> PrepareAsync(CancellationToken cancel) =>
        IsUnavailable || ContainerEngineIsUnavailable
            ? Task.FromException<CloudReport>(Fault(CloudFault.Unavailable, "away"))
            : Task.FromResult(new CloudReport("scripted", 1000, 1_000_000));

    Task<StorageReport> IShareCloud.PrepareAsync(CancellationToken cancel) =>
        IsUnavailable || StorageIsUnavailable
            ? Task.FromException<StorageReport>(Fault(CloudFault.Unavailable, "away"))
            : Task.FromResult(new StorageReport("scripted", true, 1L << 50, FreeBytes));

    public long FreeBytes { get; set; } = 1L << 49;

    public Task EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        Planned = plan;
        // As with a container engine: what is removed was listed at the call. A late call makes what is missing and removes nothing newer.
        var seen = NodesOf(plan.Workspace).Select(n => n.StateHash).ToHashSet(StringComparer.Ordinal);
        return ActAsync("ensure", plan.Workspace, s =>
        {
            if (s.Network > plan.Generation || s.Nodes.Any(n => n.Generation > plan.Generation))
                throw Fault(CloudFault.Conflict, "a newer generation is there");
            // Like a container engine when the bind source is missing.
            if (!s.Mounts.Contains(plan.Generation)) throw Fault(CloudFault.Refused, "bind source path does not exist");
            if (s.Network == 0 && Foreign(plan.Subnet)) throw Fault(CloudFault.AddressesTaken, "the block overlaps with another one");
            s.Network = plan.Generation;
            s.Nodes = [.. s.Nodes.Where(n => n.Generation == plan.Generation && (!seen.Contains(n.StateHash) || plan.Nodes.Any(p => p.Name == n.Name)))];
            foreach (var n in plan.Nodes.Where(p => s.Nodes.All(n => n.Name != p.Name)))
            {
                if (n.Folders.Any(f => f.Target == "/scratch") && !s.ScratchMounts.Contains(n.Name))
                    throw Fault(CloudFault.Refused, "bind source path does not exist");
                var end = Dies(plan.Workspace)
                    ?? (Born(n.Name) is NodeState.Exited ? (ExitCode: 1, OutOfMemory: false) : ((int ExitCode, bool OutOfMemory)?)null);
                s.Nodes = s.Nodes.Add(
                    new(n.Name, n.Role, plan.Generation, end is null ? NodeState.Running : NodeState.Exited, end?.ExitCode,
                        end?.OutOfMemory ?? false, end is null ? Address : null, $"made-{Interlocked.Increment(ref _made)}"));
            }
        }, cancel);
    }

    public Task<IReadOnlyList<ClusterStatus>> LookAsync(CancellationToken cancel) =>
        AskAsync<IReadOnlyList<ClusterStatus>>(() =>
            [.. _sites.Where(s => s.Value.Network > 0 || s.Value.Nodes.Length > 0).Select(s => new ClusterStatus(s.Key, s.Value.Network > 0, s.Value.Nodes))]);

    public Task<ClusterStatus?> LookAsync(Guid workspace, CancellationToken cancel) => AskAsync(() =>
    {
        _looks++;
        if (!_sites.TryGetValue(workspace, out var s) || (s.Network == 0 && s.Nodes.Length == 0)) return null;
        // Going down takes two looks.
        foreach (var (node, looks) in s.Going)
        {
            s.Going = looks > 1 ? s.Going.SetItem(node, looks - 1) : s.Going.Remove(node);
            if (looks <= 1) s.Nodes = [.. s.Nodes.Where(n => n.StateHash != node)];
        }
        return s.Network > 0 || s.Nodes.Length > 0 ? new ClusterStatus(workspace, s.Network > 0, s.Nodes) : null;
    });

    public Task RemoveNodesAsync(Guid workspace, int upTo, CancellationToken cancel) =>
        ActAsync("remove nodes", workspace, s => Go(s, n => n.Generation <= upTo), cancel);

    public Task RemoveNodesAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel) =>
        ActAsync("remove some nodes", workspace, s => Go(s, n => nodes.Contains(n.Name, StringComparer.Ordinal)), cancel);

    private static void Go(Site s, Func<NodeStatus, bool> which)
    {
        foreach (var node in s.Nodes.Where(which).Where(n => !s.Going.ContainsKey(n.StateHash))) s.Going = s.Going.Add(node.StateHash, 2);
    }

    /// <summary>Result of commands inside nodes, such as those that make a worker leave.</summary>
    public Func<string, IReadOnlyList<string>, CommandResult> Command { get; set; } = (_, _) => new(0, "");

    public Task<CommandResult> ExecuteAsync(Guid workspace, string node, IReadOnlyList<string> command, CancellationToken cancel) =>
        Task.FromResult(Command(node, command));

    public Task RemoveNetworkAsync(Guid workspace, int upTo, CancellationToken cancel) => ActAsync("remove network", workspace, s =>
    {
        if (s.Network == 0 || s.Network > upTo) return;
        if (s.Nodes.Length > 0) throw Fault(CloudFault.Conflict, "has active endpoints");
        if (s.Rules.Any(r => r <= s.Network)) Break($"address of {workspace} freed while a rule trusts it");
        s.Network = 0;
    }, cancel);

    public async IAsyncEnumerable<ClusterEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        yield return new(ClusterHappening.LookAgain);
        await foreach (var happened in Events.Reader.ReadAllAsync(cancel)) yield return happened;
    }

    /// <summary>Raised by a test; subscribers receive it.</summary>
    public Channel<ClusterEvent> Events { get; } = Channel.CreateUnbounded<ClusterEvent>();

    /// <summary>Workspaces whose nodes' last log lines never come.</summary>
    public ISet<Guid> Mute { get; } = new HashSet<Guid>();

    public Task<IReadOnlyList<NodeSample>> SamplesAsync(CancellationToken cancel) => Task.FromResult<IReadOnlyList<NodeSample>>([]);

    public async Task<IReadOnlyList<string>> LogTailAsync(Guid workspace, string node, int lines, CancellationToken cancel)
    {
        if (Mute.Contains(workspace)) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        return Tail;
    }

    /// <summary>A node's last log lines.</summary>
    public IReadOnlyList<string> Tail { get; set; } = ["its last words"];

    /// <summary>What nodes say.</summary>
    public IReadOnlyList<string> Log { get; set; } = ["2026-11-26T10:00:00.000000000Z its last words"];

    /// <summary>What a log that is not followed waits for before it ends.</summary>
    public Func<Task> LogEnd { get; set; } = () => Task.CompletedTask;

    public async IAsyncEnumerable<string> LogAsync(Guid workspace, string node, int? tail, bool follow, [EnumeratorCancellation] CancellationToken cancel)
    {
        foreach (var line in Log.TakeLast(tail ?? int.MaxValue)) yield return line;
        if (!follow)
        {
            await LogEnd().WaitAsync(cancel);
            yield break;
        }
        // A node that runs on may say more.
        var never = new TaskCompletionSource();
        await using var end = cancel.Register(() => never.TrySetCanceled(cancel));
        await never.Task;
    }

    public Task<IReadOnlyList<string>> ForeignRangesAsync(CancellationToken cancel) => Task.FromResult<IReadOnlyList<string>>(["0.0.0.0/0"]);

    public Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel) => Task.CompletedTask;

    public async Task<string> AllowAsync(ShareAccess access, CancellationToken cancel)
    {
        await ActAsync("allow", access.Workspace, s =>
        {
            if (access.Scratch is { } node)
            {
                if (!s.Scratch.Any(f => f.Node == node)) throw Fault(CloudFault.Missing, "there is no folder to mount");
                (s.ScratchRules, s.ScratchMounts) = (s.ScratchRules.Add(node), s.ScratchMounts.Add(node));
            }
            else (s.Rules, s.Mounts) = (s.Rules.Add(access.Generation), s.Mounts.Add(access.Generation));
        }, cancel);
        return $"/mounts/{access.Workspace:n}-{access.Generation}-{access.Scratch}";
    }

    public Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel) =>
        AskAsync<IReadOnlyList<ShareAccess>>(() => [.. _sites.SelectMany(s => AccessOf(s.Key, s.Value))], StorageIsUnavailable);

    private static IEnumerable<ShareAccess> AccessOf(Guid workspace, Site s)
    {
        var generations = s.Rules.Union(s.Mounts);
        foreach (var generation in generations) yield return new(workspace, generation, Guid.Empty, Guid.Empty);
        foreach (var node in s.ScratchRules.Union(s.ScratchMounts))
            yield return new(workspace, generations.DefaultIfEmpty(1).Max(), Guid.Empty, Guid.Empty, node);
    }

    /// <summary>Generations of a workspace that are trusted or mounted.</summary>
    public int[] TrustedOf(Guid workspace)
    {
        lock (_gate) return _sites.TryGetValue(workspace, out var s) ? [.. s.Rules.Union(s.Mounts).Order()] : [];
    }

    public Task UnmountAsync(Guid workspace, int upTo, CancellationToken cancel) => ActAsync("unmount", workspace, s =>
    {
        if (s.Nodes.Any(n => n.Generation <= upTo) && (s.Mounts.Any(m => m <= upTo) || s.ScratchMounts.Count > 0))
            Break($"mount of {workspace} taken while a node uses it");
        if (s.Mounts.All(m => m <= upTo)) s.ScratchMounts = [];
        s.Mounts = [.. s.Mounts.Where(m => m > upTo)];
    }, cancel);

    public Task UnmountAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel) => ActAsync("unmount some", workspace, s =>
    {
        if (s.Nodes.Any(n => nodes.Contains(n.Name, StringComparer.Ordinal))) Break($"scratch mount of {workspace} taken while its node is there");
        s.ScratchMounts = s.ScratchMounts.Except(nodes);
    }, cancel);

    public Task DenyAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel) => ActAsync("deny some", workspace, s =>
    {
        if (nodes.Any(s.ScratchMounts.Contains)) throw Fault(CloudFault.Conflict, "still mounted");
        s.ScratchRules = s.ScratchRules.Except(nodes);
    }, cancel);

    public Task DenyAsync(Guid workspace, int upTo, CancellationToken cancel) => ActAsync("deny", workspace, s =>
    {
        var all = s.Rules.All(r => r <= upTo);
        if (s.Mounts.Any(m => m <= upTo) || (all && s.ScratchMounts.Count > 0)) throw Fault(CloudFault.Conflict, "still mounted");
        if (s.Nodes.Any(n => n.Generation <= upTo) && s.Rules.Any(r => r <= upTo)) Break($"rule of {workspace} taken while a node is there");
        s.Rules = [.. s.Rules.Where(r => r > upTo)];
        if (all) s.ScratchRules = [];
    }, cancel);

    public Task EnsureAsync(Guid classId, Guid personId, int uid, long limitBytes, CancellationToken cancel) =>
        IsUnavailable || StorageIsUnavailable ? Task.FromException(Fault(CloudFault.Unavailable, "away")) : Task.CompletedTask;
    public Task EnsureScratchAsync(ScratchFolder folder, int uid, long limitBytes, CancellationToken cancel) =>
        ActAsync("ensure scratch", folder.Workspace, s => s.Scratch = s.Scratch.Add(folder), cancel);

    public Task<IReadOnlyList<ScratchFolder>> ScratchAsync(CancellationToken cancel) =>
        AskAsync<IReadOnlyList<ScratchFolder>>(() => [.. _sites.Values.SelectMany(s => s.Scratch)], StorageIsUnavailable);

    public Task RemoveScratchAsync(Guid classId, Guid workspace, IReadOnlyCollection<string>? nodes, CancellationToken cancel) =>
        ActAsync("remove scratch", workspace, s =>
    {
        var going = s.Scratch.Where(f => nodes is null || nodes.Contains(f.Node, StringComparer.Ordinal)).ToList();
        if (going.Exists(f => s.Nodes.Any(n => n.Name == f.Node))) Break($"scratch of {workspace} removed while its node is there");
        if (going.Exists(f => s.ScratchMounts.Contains(f.Node))) throw Fault(CloudFault.Conflict, "device or resource busy");
        s.Scratch = s.Scratch.Except(going);
    }, cancel);

    public Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel) => AskAsync(() => Folders, StorageIsUnavailable);
    public Task<ProofOutcome> ProveAsync(ProofOrder order, CancellationToken cancel) => Task.FromResult(Proof(order));

    private Task<T> AskAsync<T>(Func<T> ask, bool unavailable = false)
    {
        if (IsUnavailable || unavailable) return Task.FromException<T>(Fault(CloudFault.Unavailable, "away"));
        lock (_gate) return Task.FromResult(ask());
    }

    private Task ActAsync(string what, Guid workspace, Action<Site> act, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var ofStorage = what is not ("ensure" or "remove nodes" or "remove some nodes" or "remove network");
        var now = IsUnavailable || (ofStorage && StorageIsUnavailable) ? Mood.Unavailable : mood(what, workspace);
        void Do()
        {
            lock (_gate)
            {
                if (!_sites.TryGetValue(workspace, out var site)) _sites[workspace] = site = new();
                act(site);
            }
        }
        switch (now)
        {
            case Mood.Unavailable: throw Fault(CloudFault.Unavailable, "away");
            case Mood.Refuses: throw Fault(CloudFault.Refused, "will not");
            case Mood.WorksAnswerLost:
                Do();
                throw Fault(CloudFault.Unavailable, "the answer was lost");
            case Mood.CallerDiesDone or Mood.CallerDiesLate:
                var dead = new TaskCompletionSource();
                lock (_gate)
                {
                    _dead.Add(dead);
                    if (now is Mood.CallerDiesLate) _late.Add(() => { try { Do(); } catch (CloudException) { /* nobody hears */ } });
                }
                if (now is Mood.CallerDiesDone) Do();
                return dead.Task;
            default:
                Do();
                return Task.CompletedTask;
        }
    }

    private void Break(string rule) => _broken = _broken.Add(rule);

    private static CloudException Fault(CloudFault fault, string says) => new("scripted", fault, says, "Wait.");
}
