using System.Net;
using System.Runtime.InteropServices;
using Portal.Core.Quotas;

namespace Portal.Core.Clouds;

/// <summary>
/// Where the clusters of one pool run. Every call may be repeated: it produces the wanted state or finds it already in place.
/// Touches only what carries this installation's id, in this pool's project. Every error is a <see cref="CloudException"/>.
/// </summary>
public interface IClusterCloud
{
    /// <summary>Verifies with a probe container that this cloud enforces our limits and isolation. Throws
    /// <see cref="CloudFault.Refused"/> or Unavailable with the reason.</summary>
    Task<CloudReport> PrepareAsync(CancellationToken cancel);

    /// <summary>How long things may take here.</summary>
    CloudTimes Times { get; }

    /// <summary>
    /// Begins to create what is missing from this plan and to replace what differs, and says how far that is; older generations of the workspace are
    /// removed. Done means that every node was started and carries the hash of what this plan asks for, whatever its status says; later checks
    /// show whether it works. Never adopts anything half-built, and never waits for minutes: it is asked again.
    /// </summary>
    Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel);

    /// <summary>All clusters of this installation in this pool, however many, in a bounded number of calls. Networks without nodes are clusters too.</summary>
    Task<IReadOnlyList<ClusterStatus>> LookAsync(CancellationToken cancel);

    /// <summary>One workspace; null if nothing of it exists in the cloud.</summary>
    Task<ClusterStatus?> LookAsync(Guid workspace, CancellationToken cancel);

    /// <summary>Events from now on, across any number of lost connections. Events are only hints: on
    /// <see cref="ClusterHappening.LookAgain"/> check everything.</summary>
    IAsyncEnumerable<ClusterEvent> EventsAsync(CancellationToken cancel);

    /// <summary>A hint: only these workspaces are being watched. Where updates cost calls, theirs come first.</summary>
    void Watch(IReadOnlyCollection<Guid> workspaces) { }

    /// <summary>
    /// Stops gracefully, then removes, the workspace's nodes of this generation and older ones, so a late call by a worker that
    /// lost its lease cannot harm anything newer. May return before they are gone: check until no node is seen.
    /// </summary>
    Task RemoveNodesAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>Releases the workspace's networks and addresses up to this generation; only after no node is seen. Check until they are gone.</summary>
    Task RemoveNetworkAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>A reading of every running node of the installation in this pool.</summary>
    Task<IReadOnlyList<NodeSample>> SamplesAsync(CancellationToken cancel);

    /// <summary>The last lines of a node's output, oldest first, stdout and stderr together. Empty if the node does not exist.</summary>
    Task<IReadOnlyList<string>> LogTailAsync(Guid workspace, string node, int lines, CancellationToken cancel);

    /// <summary>A node's output, oldest first, each line with a timestamp; ends with the node, or at its
    /// current end if not followed. Empty if there is no such node.</summary>
    /// <param name="tail">Number of last lines; null for all that are kept.</param>
    /// <param name="follow">Continues with later output.</param>
    IAsyncEnumerable<string> LogAsync(Guid workspace, string node, int? tail, bool follow, CancellationToken cancel);

    /// <summary>Runs a command in a running node as its own user, without a shell, and returns its exit code and last output.</summary>
    Task<CommandResult> ExecuteAsync(Guid workspace, string node, IReadOnlyList<string> command, CancellationToken cancel);

    /// <summary>Stops gracefully, then removes, these nodes and nothing else of the workspace. May return before they are gone.</summary>
    Task RemoveNodesAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel);

    /// <summary>Address ranges (CIDR) that anything on the cloud's host already uses, so that ours can avoid them.</summary>
    Task<IReadOnlyList<string>> ForeignRangesAsync(CancellationToken cancel);
}

/// <summary>How far a cloud is with what it was asked to make. Unexpected failures are exceptions.</summary>
public abstract record EnsureAnswer
{
    private EnsureAnswer() { }

    /// <summary>Everything is there as asked.</summary>
    public sealed record Done : EnsureAnswer;

    /// <summary>Under way, which may take minutes.</summary>
    /// <param name="What">For a person.</param>
    public sealed record Working(string What, TimeSpan LookAgainIn) : EnsureAnswer;

    /// <summary>The cloud could not make it.</summary>
    public sealed record Broken(string Cause, string Remedy) : EnsureAnswer;

    public static readonly EnsureAnswer IsDone = new Done();
}

/// <summary>How long things may take in a cloud: seconds on a container engine, minutes where servers boot.</summary>
/// <param name="Settled">How long after a release anything still seen of a workspace counts as an orphan: longer than any call may be delayed.</param>
/// <param name="Make">Maximum for access rules to become active, and for nodes to be made.</param>
/// <param name="Prove">Maximum from a node's start to a kernel that computes.</param>
public sealed record CloudTimes(TimeSpan Settled, TimeSpan Make, TimeSpan Prove);

/// <summary>Description of a cloud, as one pool sees it, for the Operations page.</summary>
/// <param name="Summary">One line: kind, version, size.</param>
/// <param name="Vcpus">The maximum for a single node: cores of the host before over-commitment, or of the largest flavor.</param>
/// <param name="MemoryMib">The maximum for a single node, MiB.</param>
public sealed record CloudReport(string Summary, int Vcpus, long MemoryMib)
{
    /// <summary>vCPU and memory that may run at once, where the cloud itself says so; null for a share of the only host.</summary>
    public Amounts? Capacity { get; init; }

    /// <summary>What nodes reach outside their workspace, in one line.</summary>
    public string Egress { get; init; } = "";

    /// <summary>What nodes occupy.</summary>
    public Machines Machines { get; init; } = Machines.Exact;
}

/// <param name="Generation">Raised by each Launch or Start; nodes of older generations are removed.</param>
/// <param name="Subnet">A /27 of our pool, CIDR.</param>
public sealed record ClusterPlan(Guid Workspace, int Generation, string Subnet, IReadOnlyList<NodePlan> Nodes)
{
    /// <summary>Existing nodes of this generation are kept even if they differ from the plan, because they are in use.</summary>
    public bool KeepsWhatIsThere { get; init; }
}

/// <param name="Name">Host name and alias inside the workspace's network: notebook, worker0 …</param>
/// <param name="Image">The image's reference in this cloud, never a tag.</param>
/// <param name="Uid">The owner's uid; also the gid.</param>
/// <param name="MemoryMib">Hard limit, MiB; no swap.</param>
/// <param name="Vcpus">CPU limit in cores.</param>
/// <param name="Secrets">Environment whose values are excluded from the state hash and from every row: an
/// app's token, or a number that may change while the node is running.</param>
public sealed record NodePlan(
    string Name, string Role, string Image, int Uid, IReadOnlyList<string> Command,
    IReadOnlyDictionary<string, string> Environment, IReadOnlyDictionary<string, string> Secrets,
    IReadOnlyList<FolderPlan> Folders, long MemoryMib, double Vcpus)
{
    /// <summary>Maximum number of processes and threads.</summary>
    public long Pids { get; init; } = 512;
}

/// <summary>A folder mounted in a node.</summary>
public sealed record FolderPlan(MountSource Source, string Target, bool ReadOnly);

/// <param name="HasNetwork">The workspace's network, and with it the addresses, still exists.</param>
public sealed record ClusterStatus(Guid Workspace, bool HasNetwork, IReadOnlyList<NodeStatus> Nodes);

/// <param name="StateHash">Hash of the plan it was created from; see <see cref="ClusterPlan"/>.</param>
/// <param name="Address">Address inside the workspace's network; null unless it is running. To connect, use <see cref="EndPointOf"/>.</param>
public sealed record NodeStatus(string Name, string Role, int Generation, NodeState State, int? ExitCode, bool OutOfMemory, string? Address, string StateHash)
{
    /// <summary>Ports that the portal reaches elsewhere than at <see cref="Address"/>.</summary>
    public IReadOnlyList<MappedPort> MappedPorts { get; init; } = [];

    /// <summary>Where the portal reaches one of its ports; null unless it is running.</summary>
    public IPEndPoint? EndPointOf(int port) => MappedPort.EndPointOf(port, Address, MappedPorts);

    /// <summary>Why a <see cref="NodeState.Broken"/> node is broken, for a person.</summary>
    public string? Reason { get; init; }
}

/// <param name="Output">The last lines of both streams.</param>
public sealed record CommandResult(int ExitCode, string Output);

public enum NodeState
{
    /// <summary>The cloud is creating it.</summary>
    Building,
    /// <summary>Created, but not started.</summary>
    Created,
    Running,
    Exited,
    /// <summary>The cloud could not create it, or lost it, and will not recover it on its own.</summary>
    Broken,
}

/// <param name="Cpu">CPU time used since the node started.</param>
/// <param name="MemoryBytes">Working set: without page cache that can be dropped.</param>
/// <param name="Throttled">Time for which its CPU limit throttled it, since start.</param>
/// <param name="Vcpus">Its CPU limit in cores.</param>
public sealed record NodeSample(Guid Workspace, string Node, int Generation, DateTimeOffset At, TimeSpan Cpu, TimeSpan Throttled, long MemoryBytes,
    long MemoryLimitBytes, long OutOfMemoryKills, int Pids, double Vcpus)
{
    /// <summary>Network bytes since it started; null if they cannot be read.</summary>
    public Traffic? Net { get; init; }

    /// <summary>Disk bytes since it started; null if unknown. With cgroup v1 the kernel attributes most writes to no process, especially on btrfs.</summary>
    public Traffic? Disk { get; init; }
}

/// <param name="In">Received, or read; bytes.</param>
/// <param name="Out">Sent, or written; bytes.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Traffic(long In, long Out);

public enum ClusterHappening { LookAgain, Unavailable, Started, Died, OutOfMemory, Removed }

/// <summary>A hint that something changed; the workspace is null if it may concern all.</summary>
/// <param name="Generation">Generation of the node; 0 if no node is named.</param>
public sealed record ClusterEvent(ClusterHappening What, Guid? Workspace = null, string? Node = null, int? ExitCode = null, int Generation = 0)
{
    /// <summary>The workspace as it was seen when this happened; null if it must be looked at.</summary>
    public ClusterStatus? Seen { get; init; }

    /// <summary>Why a node died, where its cloud knows; the end of a sentence.</summary>
    public string? Reason { get; init; }
}
