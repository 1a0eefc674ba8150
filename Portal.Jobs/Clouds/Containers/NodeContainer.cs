using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>Everything that the container of one node is made from, on any container engine.</summary>
/// <param name="Name">See <see cref="Owned.Container"/>.</param>
/// <param name="Labels">See <see cref="Owned.Labels(ClusterPlan, NodePlan, string)"/>.</param>
/// <param name="Passwd">Path, on the container engine's host, of a passwd file with the node's uid.</param>
/// <param name="Group">The same of the group file.</param>
/// <param name="Folders">All that is mounted beside those two; the plan's own folders are not looked at.</param>
public sealed record NodeContainer(
    string Name, NodeNetwork Network, NodePlan Node, IDictionary<string, string> Labels, string Passwd, string Group, IReadOnlyList<BoundFolder> Folders,
    SeccompProfile Profile)
{
    /// <summary>Further entries of /etc/hosts, each <c>name:address</c>.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Size of the tmpfs at /tmp and of /dev/shm, each as a percentage of the node's memory; their contents count as its memory.</summary>
    public required int TmpPercent { get; init; }

    /// <summary>Size of the tmpfs at /home/student, MiB; it counts as the container's memory.</summary>
    public required int HomeMib { get; init; }
}

/// <summary>A folder of the container engine's host, mounted in a container.</summary>
/// <param name="Source">Full path on that host, where it must exist.</param>
/// <param name="Target">Full path in the container.</param>
public sealed record BoundFolder(string Source, string Target, bool ReadOnly);

/// <summary>The network that a node's container is in.</summary>
public abstract record NodeNetwork
{
    private NodeNetwork() { }

    /// <summary>A network of the workspace, in which the container engine resolves the names of nodes.</summary>
    /// <param name="Name">See <see cref="Owned.Network"/>.</param>
    public sealed record Named(string Name) : NodeNetwork;

    /// <summary>
    /// The host's own, for a host that holds this node alone and restricts it by its uid. Nobody resolves names there: whatever the node must find by name,
    /// itself included, is in <see cref="NodeContainer.Hosts"/>.
    /// </summary>
    public sealed record Host : NodeNetwork;
}
