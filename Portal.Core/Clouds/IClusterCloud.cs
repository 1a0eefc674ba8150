using System.Runtime.InteropServices;

namespace Portal.Core.Clouds;

/// <summary>
/// Where clusters run. Every call may be repeated: it brings about what is asked for, or finds it already so.
/// Touches only what carries this installation's id. Every error is a <see cref="CloudException"/>.
/// </summary>
public interface IClusterCloud
{
    /// <summary>Proves that this cloud holds the limits and the isolation we promise; with a probe, not by trust. Throws <see cref="CloudFault.Refused"/> or Away with the reason.</summary>
    Task<CloudReport> PrepareAsync(CancellationToken cancel);

    /// <summary>
    /// Makes what is missing of this plan and replaces what differs; older generations of the workspace are removed.
    /// Returns when everything has been started; whether it works is for a later look. Never adopts a half-made thing.
    /// </summary>
    Task EnsureAsync(ClusterPlan plan, CancellationToken cancel);

    /// <summary>All clusters of this installation, however many, in a bounded number of calls. Networks without nodes are clusters too.</summary>
    Task<IReadOnlyList<ClusterNow>> LookAsync(CancellationToken cancel);

    /// <summary>One workspace; null when nothing of it is to be seen.</summary>
    Task<ClusterNow?> LookAsync(Guid workspace, CancellationToken cancel);

    /// <summary>What happens from now on, over any number of lost connections. Events are hints: at <see cref="ClusterHappening.LookAgain"/> look at everything.</summary>
    IAsyncEnumerable<ClusterEvent> EventsAsync(CancellationToken cancel);

    /// <summary>
    /// Stops and removes the workspace's nodes, politely first, of this generation and older ones: a call that lands late, of a worker that
    /// lost its lease, harms nothing newer. May return before they are gone: look until no node is seen.
    /// </summary>
    Task RemoveNodesAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>Gives up the workspace's networks and addresses up to this generation; only after no node is seen. Look until it is gone.</summary>
    Task RemoveNetworkAsync(Guid workspace, int upTo, CancellationToken cancel);

    /// <summary>A reading of every running node of the installation.</summary>
    Task<IReadOnlyList<NodeSample>> SamplesAsync(CancellationToken cancel);

    /// <summary>The last lines that a node wrote, oldest first, stdout and stderr together. Empty when the node is not there.</summary>
    Task<IReadOnlyList<string>> LogTailAsync(Guid workspace, string node, int lines, CancellationToken cancel);

    /// <summary>What a node wrote, oldest first, each line with its time in front; ends with the node, or where it is not followed with what is there. Nothing when the node is not there.</summary>
    /// <param name="tail">So many of the last lines; null for all that is kept.</param>
    /// <param name="follow">Goes on with what is written later.</param>
    IAsyncEnumerable<string> LogAsync(Guid workspace, string node, int? tail, bool follow, CancellationToken cancel);

    /// <summary>Runs a command in a running node as its own user, without a shell, and answers its exit code and the last that it said.</summary>
    Task<CommandResult> ExecuteAsync(Guid workspace, string node, IReadOnlyList<string> command, CancellationToken cancel);

    /// <summary>Removes these nodes and nothing else of the workspace, politely first. May return before they are gone.</summary>
    Task RemoveNodesAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel);

    /// <summary>Address ranges that are in use on the cloud's host by anything at all (CIDR), so that ours can be chosen beside them.</summary>
    Task<IReadOnlyList<string>> ForeignRangesAsync(CancellationToken cancel);
}

/// <summary>What a cloud is, for the Operations page.</summary>
/// <param name="Summary">One line: kind, version, size.</param>
/// <param name="Vcpus">Cores of the host, before any over-commitment: no single node can have more.</param>
/// <param name="MemoryMib">Memory of the host, MiB.</param>
public sealed record CloudReport(string Summary, int Vcpus, long MemoryMib);

/// <param name="Generation">Raised by each Launch or Start; nodes of older generations are swept.</param>
/// <param name="Subnet">A /27 of our pool, CIDR.</param>
public sealed record ClusterPlan(Guid Workspace, int Generation, string Subnet, IReadOnlyList<NodePlan> Nodes)
{
    /// <summary>Nodes of this generation that are there stay as they are, even where they differ from the plan: somebody works in them.</summary>
    public bool KeepsWhatIsThere { get; init; }
}

/// <param name="Name">Host name and alias inside the workspace's network: notebook, worker0 …</param>
/// <param name="Image">Image id (sha256:…), never a tag.</param>
/// <param name="Uid">The person's own uid; also the gid.</param>
/// <param name="MemoryMib">Hard limit, MiB; swap is none.</param>
/// <param name="Vcpus">CPU limit in cores.</param>
/// <param name="Secrets">Environment whose values are no part of the state hash nor of any row: an app's token, a number that may change while the node runs.</param>
public sealed record NodePlan(
    string Name, string Role, string Image, int Uid, IReadOnlyList<string> Command,
    IReadOnlyDictionary<string, string> Environment, IReadOnlyDictionary<string, string> Secrets,
    IReadOnlyList<FolderPlan> Folders, long MemoryMib, double Vcpus)
{
    /// <summary>Most processes and threads at once.</summary>
    public long Pids { get; init; } = 512;
}

/// <summary>A folder of the host inside a node.</summary>
public sealed record FolderPlan(string Source, string Target, bool ReadOnly);

/// <param name="HasNetwork">The workspace's network, and so its addresses, are still held.</param>
public sealed record ClusterNow(Guid Workspace, bool HasNetwork, IReadOnlyList<NodeNow> Nodes);

/// <param name="StateHash">Of the plan it was made from; see <see cref="ClusterPlan"/>.</param>
/// <param name="Address">Inside the workspace's network; null unless it runs.</param>
public sealed record NodeNow(string Name, string Role, int Generation, NodeState State, int? ExitCode, bool OutOfMemory, string? Address, string StateHash);

/// <param name="Said">The last lines of both streams.</param>
public sealed record CommandResult(int ExitCode, string Said);

public enum NodeState { Created, Running, Exited }

/// <param name="Cpu">CPU time used since the node started.</param>
/// <param name="MemoryBytes">Working set: without page cache that can be dropped.</param>
/// <param name="Throttled">Time in which it wanted CPU above its limit, since start.</param>
/// <param name="Vcpus">Its CPU limit in cores.</param>
public sealed record NodeSample(Guid Workspace, string Node, int Generation, DateTimeOffset At, TimeSpan Cpu, TimeSpan Throttled, long MemoryBytes, long MemoryLimitBytes, long OutOfMemoryKills, int Pids, double Vcpus)
{
    /// <summary>Bytes over its network since it started; null where they cannot be read.</summary>
    public Traffic? Net { get; init; }

    /// <summary>Bytes from and to disks since it started; null where they cannot be read. With cgroup v1 the kernel ascribes most writes to nobody, those on btrfs above all.</summary>
    public Traffic? Disk { get; init; }
}

/// <param name="In">Received, or read; bytes.</param>
/// <param name="Out">Sent, or written; bytes.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Traffic(long In, long Out);

public enum ClusterHappening { LookAgain, Away, Started, Died, OutOfMemory, Removed }

/// <summary>A hint that something changed; the workspace is null when it may concern all.</summary>
/// <param name="Generation">Of the node; 0 where no node is named.</param>
public sealed record ClusterEvent(ClusterHappening What, Guid? Workspace = null, string? Node = null, int? ExitCode = null, int Generation = 0);
