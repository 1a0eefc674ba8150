using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Proofs;

namespace Portal.TestKit.Scripted;

/// <summary>
/// Cluster, shares, filesets and kernel check in memory, with moods. Keeps the state of the whole site and checks after every action that storage
/// is never touched while a node that uses it exists, and no address is free while a rule trusts it.
/// </summary>
public sealed partial class ScriptedClouds(Func<string, Guid, Mood> mood) : IClusterCloud, IShareCloud, IFilesetCloud, IImageCloud, INotebookProof
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, Site> _sites = [];
    private readonly List<Action> _dead = [];
    private readonly List<Action> _late = [];
    private ImmutableArray<string> _broken = [];
    private int _made, _looks;

    /// <summary>Release rules that were broken, with the action that broke them.</summary>
    public ImmutableArray<string> Broken => _broken;

    /// <summary>Result of the kernel check; success unless the test says otherwise.</summary>
    public Func<ProofOrder, ProofOutcome> Proof { get; set; } = _ => new ProofOutcome.Proven();

    /// <summary>What happens to a node once it was started.</summary>
    public Func<string, NodeState> Born { get; set; } = _ => NodeState.Running;

    /// <summary>Address of every running node.</summary>
    public string Address { get; set; } = "10.0.0.2";

    /// <summary>Where its host publishes its ports.</summary>
    public IReadOnlyList<MappedPort> MappedPorts { get; set; } = [];

    /// <summary>The workspaces that somebody looks at, as last told.</summary>
    public IReadOnlyCollection<Guid> Watched { get; private set; } = [];

    /// <summary>The newest plan that was asked for.</summary>
    public ClusterPlan? Planned { get; private set; }

    public void Watch(IReadOnlyCollection<Guid> workspaces) => Watched = workspaces;

    /// <summary>How often one workspace's nodes were checked.</summary>
    public int Looks => _looks;

    /// <summary>Nothing responds.</summary>
    public bool IsUnavailable { get; set; }

    /// <summary>Whoever asks for its health waits for an answer that does not come.</summary>
    public bool IsSilent { get; set; }
    /// <summary>Clusters do not respond, storage does.</summary>
    public bool ContainerEngineIsUnavailable { get; set; }

    /// <summary>Storage does not respond, clusters do.</summary>
    public bool StorageIsUnavailable { get; set; }

    /// <summary>Address blocks that something else on the host uses.</summary>
    public Func<string, bool> Foreign { get; set; } = _ => false;

    /// <summary>Usage of the folders.</summary>
    public IReadOnlyList<FilesetUsage> Folders { get; set; } = [];

    /// <summary>How the nodes of a workspace come up; null: they start running.</summary>
    public Func<Guid, (int ExitCode, bool OutOfMemory)?> Dies { get; set; } = _ => null;

    private sealed class Site
    {
        /// <summary>Generation that holds it; 0 for none.</summary>
        public int Network;

        public ImmutableHashSet<ShareAccess> Mounts = [];
        public ImmutableDictionary<ShareAccess, Rule> Rules = ImmutableDictionary<ShareAccess, Rule>.Empty;

        /// <summary>Nodes that are going down or being built, by <see cref="NodeStatus.StateHash"/>, with how many looks that takes.</summary>
        public ImmutableDictionary<string, int> Going = ImmutableDictionary<string, int>.Empty, Building = ImmutableDictionary<string, int>.Empty;
        public ImmutableArray<NodeStatus> Nodes = [];
        public ImmutableHashSet<FolderRef.Scratch> Scratch = [];

        /// <summary>Everything that still gives access.</summary>
        public IEnumerable<ShareAccess> Access => Rules.Keys.Union(Mounts);

        public bool Uses(ShareAccess access) =>
            Nodes.Any(n => n.Generation == access.Generation && (access.Folder is not FolderRef.Scratch scratch || scratch.Node == n.Name));
    }

    private enum RuleState { Allowing, Active, Error, Denying }

    /// <param name="Looks">How many looks it stays in a passing state.</param>
    private sealed record Rule(RuleState State, int Looks = 0);

    /// <summary>How many looks slow things take.</summary>
    public int SlowLooks { get; set; } = 3;

    /// <summary>When a cloud that is still making nodes wants to be asked again.</summary>
    public TimeSpan LookAgainIn { get; set; } = TimeSpan.FromMilliseconds(20);

    public CloudTimes Times { get; set; } = new(Settled: TimeSpan.Zero, Make: TimeSpan.FromMinutes(1), Prove: TimeSpan.FromMinutes(3));

    /// <summary>What is left of a workspace, as text; empty if nothing is.</summary>
    public string LeftOf(Guid workspace)
    {
        lock (_gate)
        {
            if (!_sites.TryGetValue(workspace, out var s)) return "";
            return string.Join(
                ' ', new[]
                {
                    s.Nodes.Length > 0 ? "nodes" : "",
                    s.Mounts.Any(m => m.Folder is FolderRef.Work) ? "mount" : "",
                    s.Rules.Keys.Any(r => r.Folder is FolderRef.Work) ? "rule" : "",
                    s.Network > 0 ? "network" : "",
                    s.Scratch.Count > 0 ? "scratch" : "",
                    s.Access.Any(a => a.Folder is FolderRef.Scratch) ? "scratch-access" : "",
                }.Where(w => w.Length > 0));
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
            ? (Names(s.Scratch), Names(s.Access.Select(a => a.Folder).OfType<FolderRef.Scratch>()))
            : ([], []);
    }

    private static string[] Names(IEnumerable<FolderRef.Scratch> folders) =>
        [.. folders.Select(f => f.Node).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>A node exits on its own, or is removed from outside.</summary>
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
        foreach (var dead in _dead) dead();
    }

    public async Task<CloudReport> PrepareAsync(CancellationToken cancel)
    {
        if (IsSilent) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        return IsUnavailable || ContainerEngineIsUnavailable ? throw Fault(CloudFault.Unavailable, "away") : new("scripted", Vcpus, 1_000_000);
    }

    Task<StorageReport> IShareCloud.PrepareAsync(CancellationToken cancel) =>
        IsUnavailable || StorageIsUnavailable
            ? Task.FromException<StorageReport>(Fault(CloudFault.Unavailable, "away"))
            : Task.FromResult(new StorageReport("scripted", true, 1L << 50, FreeBytes));

    public long FreeBytes { get; set; } = 1L << 49;

    public Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        Planned = plan;
        // As with a container engine: what is removed was listed at the call. A late call makes what is missing and removes nothing newer.
        var seen = NodesOf(plan.Workspace).Select(n => n.StateHash).ToHashSet(StringComparer.Ordinal);
        return ChangeAsync("ensure", plan.Workspace, (s, now) =>
        {
            if (s.Network > plan.Generation || s.Nodes.Any(n => n.Generation > plan.Generation))
                throw Fault(CloudFault.Conflict, "a newer generation is there");
            // Like a container engine when the bind source is missing.
            if (!s.Mounts.Any(m => m.Generation == plan.Generation && m.Folder is FolderRef.Work))
                throw Fault(CloudFault.Refused, "bind source path does not exist");
            if (s.Network == 0 && Foreign(plan.Subnet)) throw Fault(CloudFault.AddressesTaken, "the block overlaps with another one");
            if (s.Network > 0 && s.Network < plan.Generation && s.Rules.Keys.Any(r => r.Generation <= s.Network))
                Break($"address of {plan.Workspace} freed for its next generation while a rule trusts it");
            s.Network = plan.Generation;
            s.Nodes = [.. s.Nodes.Where(n => n.Generation == plan.Generation && (!seen.Contains(n.StateHash) || plan.Nodes.Any(p => p.Name == n.Name)))];
            foreach (var n in plan.Nodes.Where(p => s.Nodes.All(n => n.Name != p.Name)))
            {
                if (n.Folders.Any(f => f.Target == "/scratch")
                    && !s.Mounts.Any(m => m.Generation == plan.Generation && m.Folder is FolderRef.Scratch scratch && scratch.Node == n.Name))
                    throw Fault(CloudFault.Refused, "bind source path does not exist");
                Make(s, plan, n, now);
            }
            Build(s);
            return s.Nodes.FirstOrDefault(n => n.State is NodeState.Broken) is { } broken
                ? new EnsureAnswer.Broken($"The server of {broken.Name} is in error: {broken.Reason}", "Tell the operator.")
                : s.Nodes.Any(n => n.State is NodeState.Building)
                ? new EnsureAnswer.Working("The servers are being made.", LookAgainIn)
                : EnsureAnswer.IsDone;
        }, cancel);
    }

    private void Make(Site s, ClusterPlan plan, NodePlan n, Mood now)
    {
        var end = Dies(plan.Workspace) ?? (Born(n.Name) is NodeState.Exited ? (ExitCode: 1, OutOfMemory: false) : ((int ExitCode, bool OutOfMemory)?)null);
        var node = new NodeStatus(n.Name, n.Role, plan.Generation, end is null ? NodeState.Running : NodeState.Exited, end?.ExitCode,
            end?.OutOfMemory ?? false, end is null ? Address : null, $"made-{Interlocked.Increment(ref _made)}")
        { MappedPorts = MappedPorts };
        if (now is Mood.BreaksNodes) node = node with { State = NodeState.Broken, Address = null, Reason = "no host has room for it" };
        if (now is Mood.BuildsSlowly)
        {
            node = node with { State = NodeState.Building, Address = null };
            s.Building = s.Building.Add(node.StateHash, SlowLooks);
        }
        s.Nodes = s.Nodes.Add(node);
    }

    /// <summary>Building goes on with every look.</summary>
    private void Build(Site s)
    {
        foreach (var (hash, looks) in s.Building)
        {
            s.Building = looks > 1 ? s.Building.SetItem(hash, looks - 1) : s.Building.Remove(hash);
            if (looks <= 1) s.Nodes = [.. s.Nodes.Select(n => n.StateHash == hash ? n with { State = NodeState.Running, Address = Address } : n)];
        }
    }

    public Task<IReadOnlyList<ClusterStatus>> LookAsync(CancellationToken cancel) =>
        AnswerAsync<IReadOnlyList<ClusterStatus>>(() =>
            [.. _sites.Where(s => s.Value.Network > 0 || s.Value.Nodes.Length > 0).Select(s => new ClusterStatus(s.Key, s.Value.Network > 0, s.Value.Nodes))]);

    public Task<ClusterStatus?> LookAsync(Guid workspace, CancellationToken cancel) => AnswerAsync(() =>
    {
        _looks++;
        if (!_sites.TryGetValue(workspace, out var s) || (s.Network == 0 && s.Nodes.Length == 0)) return null;
        Build(s);
        // Going down takes two checks.
        foreach (var (node, looks) in s.Going)
        {
            s.Going = looks > 1 ? s.Going.SetItem(node, looks - 1) : s.Going.Remove(node);
            if (looks <= 1) s.Nodes = [.. s.Nodes.Where(n => n.StateHash != node)];
        }
        return s.Network > 0 || s.Nodes.Length > 0 ? new ClusterStatus(workspace, s.Network > 0, s.Nodes) : null;
    });

    public Task RemoveNodesAsync(Guid workspace, int upTo, CancellationToken cancel) =>
        ChangeAsync("remove nodes", workspace, s => Go(s, n => n.Generation <= upTo), cancel);

    public Task RemoveNodesAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel) =>
        ChangeAsync("remove some nodes", workspace, s => Go(s, n => nodes.Contains(n.Name, StringComparer.Ordinal)), cancel);

    private static void Go(Site s, Func<NodeStatus, bool> which)
    {
        foreach (var node in s.Nodes.Where(which).Where(n => !s.Going.ContainsKey(n.StateHash))) s.Going = s.Going.Add(node.StateHash, 2);
    }

    /// <summary>Result of commands inside nodes, such as those that make a worker leave.</summary>
    public Func<string, IReadOnlyList<string>, CommandResult> Command { get; set; } = (_, _) => new(0, "");

    public Task<CommandResult> ExecuteAsync(Guid workspace, string node, IReadOnlyList<string> command, CancellationToken cancel) =>
        Task.FromResult(Command(node, command));

    public Task RemoveNetworkAsync(Guid workspace, int upTo, CancellationToken cancel) => ChangeAsync("remove network", workspace, s =>
    {
        if (s.Network == 0 || s.Network > upTo) return;
        if (s.Nodes.Length > 0) throw Fault(CloudFault.Conflict, "has active endpoints");
        if (s.Rules.Keys.Any(r => r.Generation <= s.Network)) Break($"address of {workspace} freed while a rule trusts it");
        s.Network = 0;
    }, cancel);

    public async IAsyncEnumerable<ClusterEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        yield return new(ClusterHappening.LookAgain);
        await foreach (var happened in Events.Reader.ReadAllAsync(cancel)) yield return happened;
    }

    /// <summary>Raised by a test; subscribers receive it.</summary>
    public Channel<ClusterEvent> Events { get; } = Channel.CreateUnbounded<ClusterEvent>();

    /// <summary>Workspaces whose nodes' last log lines never arrive.</summary>
    public ISet<Guid> Mute { get; } = new HashSet<Guid>();

    public async Task<IReadOnlyList<string>> LogTailAsync(Guid workspace, string node, int lines, CancellationToken cancel)
    {
        if (Mute.Contains(workspace)) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        return Tail;
    }

    /// <summary>A node's last log lines.</summary>
    public IReadOnlyList<string> Tail { get; set; } = ["its last words"];

    /// <summary>Output of nodes.</summary>
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
        // A node that keeps running may write more.
        var never = new TaskCompletionSource();
        await using var end = cancel.Register(() => never.TrySetCanceled(cancel));
        await never.Task;
    }

    public Task<IReadOnlyList<string>> ForeignRangesAsync(CancellationToken cancel) => Task.FromResult<IReadOnlyList<string>>(["0.0.0.0/0"]);

    public Task<ProofOutcome> ProveAsync(ProofOrder order, CancellationToken cancel) => Task.FromResult(Proof(order));

    private Task<T> AnswerAsync<T>(Func<T> read, bool unavailable = false)
    {
        if (IsUnavailable || unavailable) return Task.FromException<T>(Fault(CloudFault.Unavailable, "away"));
        lock (_gate) return Task.FromResult(read());
    }

    private Task<bool> ChangeAsync(string what, Guid workspace, Action<Site> change, CancellationToken cancel) => ChangeAsync(what, workspace, (s, _) =>
    {
        change(s);
        return true;
    }, cancel);

    private Task<T> ChangeAsync<T>(string what, Guid workspace, Func<Site, Mood, T> change, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var ofStorage = what is not ("ensure" or "remove nodes" or "remove some nodes" or "remove network");
        var now = IsUnavailable || (ofStorage && StorageIsUnavailable) ? Mood.Unavailable : mood(what, workspace);
        T Do()
        {
            lock (_gate)
            {
                if (!_sites.TryGetValue(workspace, out var site)) _sites[workspace] = site = new();
                return change(site, now);
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
                var dead = new TaskCompletionSource<T>();
                lock (_gate)
                {
                    _dead.Add(() => dead.TrySetCanceled());
                    if (now is Mood.CallerDiesLate) _late.Add(() => { try { Do(); } catch (CloudException) { /* nobody hears */ } });
                }
                if (now is Mood.CallerDiesDone) Do();
                return dead.Task;
            default:
                return Task.FromResult(Do());
        }
    }

    private void Break(string rule) => _broken = _broken.Add(rule);

    private static CloudException Fault(CloudFault fault, string message) => new("scripted", fault, message, "Wait.");
}
