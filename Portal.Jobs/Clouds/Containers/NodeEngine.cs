using Docker.DotNet.Models;
using Portal.Core.Clouds;
using NodeStatus = Portal.Core.Clouds.NodeStatus;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>A node's container as its container engine last showed it.</summary>
public sealed class FoundNode
{
    internal FoundNode(ContainerListResponse container) => Container = container;

    internal ContainerListResponse Container { get; }

    public NodeState State => NodeContainers.StateOf(Container);

    /// <summary>Hash of what was asked for when it was made; empty if it does not say.</summary>
    public string StateHash => Container.Labels.TryGetValue(Owned.State, out var hash) ? hash : "";
}

/// <summary>A container engine that holds one node: everything that is done with nodes, in our words. Every error is a <see cref="CloudException"/>.</summary>
public sealed class NodeEngine(ContainerEngine engine, Owned owned, TimeProvider clock)
{
    private const string Inside = "/content", ContentRole = "content";

    /// <summary>The node of this installation with the newest generation, whatever its state; null if there is none.</summary>
    public async Task<FoundNode?> FindAsync(CancellationToken cancel) =>
        (await engine.ListAsync(owned.Mine(workspace: null), cancel)).MaxBy(c => Owned.GenerationOf(c.Labels)) is { } container ? new(container) : null;

    /// <summary>Makes and starts the container unless it is there as wanted; see <see cref="NodeContainers.EnsureAsync"/>.</summary>
    public Task EnsureAsync(NodeContainer wanted, FoundNode? there, bool keep, CancellationToken cancel) =>
        NodeContainers.EnsureAsync(engine, ContainerRecipe.Describe(wanted), there?.Container, keep, cancel);

    /// <summary>What there is of a node; without an address in the host's own network.</summary>
    public async Task<NodeStatus> StatusAsync(FoundNode node, CancellationToken cancel) => NodeContainers.See(
        node.Container, node.State == NodeState.Exited && await NodeContainers.RanOutOfMemoryAsync(engine, node.Container.ID, cancel));

    /// <inheritdoc cref="EngineSamples.ReadAsync"/>
    public Task<NodeSample?> SampleAsync(FoundNode node, CancellationToken cancel) => EngineSamples.ReadAsync(engine, node.Container, clock, cancel);

    /// <inheritdoc cref="NodeLogs.TailAsync"/>
    public Task<IReadOnlyList<string>> LogTailAsync(FoundNode node, int lines, CancellationToken cancel) =>
        NodeLogs.TailAsync(engine, node.Container.ID, lines, clock, cancel);

    /// <summary>Its output, each line with a timestamp; see <see cref="IClusterCloud.LogAsync"/>.</summary>
    public IAsyncEnumerable<string> LogAsync(FoundNode node, int? tail, bool follow, CancellationToken cancel) =>
        NodeLogs.ReadAsync(engine, node.Container.ID, tail, follow, cancel);

    /// <inheritdoc cref="NodeCommand.RunAsync"/>
    public Task<CommandResult> ExecuteAsync(FoundNode node, IReadOnlyList<string> command, CancellationToken cancel) =>
        NodeCommand.RunAsync(engine, node.Container.ID, Owned.NodeOf(node.Container.Labels), command, clock, cancel);

    /// <summary>
    /// Unpacks a tar archive into a folder of the engine's host; what is in it belongs to root. A container that never starts carries it there.
    /// </summary>
    /// <param name="image">Any image that the engine has.</param>
    /// <param name="folder">Full path on the host; made if it is missing.</param>
    public async Task PutAsync(string image, string folder, Stream archive, CancellationToken cancel)
    {
        var wanted = new CreateContainerParameters
        {
            Name = $"portal-{owned.Id}-content-{Path.GetFileName(folder)}",
            Image = image,
            Labels = owned.Labels(ContentRole),
            HostConfig = new() { NetworkMode = "none", Binds = [$"{folder}:{Inside}"] },
        };
        await engine.RemoveAsync(wanted.Name, cancel); // of an attempt that was killed
        var carrier = await engine.CreateAsync(wanted, cancel);
        try
        {
            await engine.CallAsync(c => c.Containers.ExtractArchiveToContainerAsync(carrier, new() { Path = Inside }, archive, cancel), cancel);
        }
        finally
        {
            await engine.RemoveAsync(carrier, CancellationToken.None);
        }
    }
}
