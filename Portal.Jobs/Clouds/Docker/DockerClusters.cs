using System.Runtime.CompilerServices;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Clusters as containers of one container engine, distinguished from everything else there by the installation's label.</summary>
public sealed class DockerClusters(
    ContainerEngine containerEngine, Networks networks, Owned owned, NodeRecipe recipe, ClusterLook look, ContainerEngineProbe probe,
    NodeReadings readings, HostRanges ranges, DockerOptions options, TimeProvider time) : IClusterCloud
{
    private const uint GraceSeconds = 10;
    /// <summary>Maximum for one call that stops nodes.</summary>
    private static readonly TimeSpan Call = TimeSpan.FromSeconds(GraceSeconds + 50);

    public CloudTimes Times { get; } = new(Settled: Call + TimeSpan.FromSeconds(15), Make: TimeSpan.FromMinutes(3), options.ProofDeadline);

    public Task<CloudReport> PrepareAsync(CancellationToken cancel) => probe.PrepareAsync(cancel);

    public async Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        NodeRecipe.Check(plan);
        var profile = await probe.ProveAsync(plan.Nodes.Count > 0 ? plan.Nodes[0].Image : null, cancel);
        var (listing, holding) = (containerEngine.ListAsync(owned.Mine(plan.Workspace), cancel), networks.ListAsync(owned.Mine(plan.Workspace), cancel));
        await Task.WhenAll(listing, holding);
        var (there, held) = (await listing, await holding);
        if (there.Select(c => c.Labels).Concat(held.Select(n => n.Labels)).Any(l => Owned.GenerationOf(l) > plan.Generation))
        {
            throw ContainerEngineFaults.Make(CloudFault.Conflict, $"a generation of this workspace newer than {plan.Generation} exists",
                "Nothing was changed: the newer generation continues.");
        }

        var (nodes, hasNetwork) = await SweepAsync(plan, there, held, cancel);
        var current = nodes.ToLookup(c => Owned.NodeOf(c.Labels), StringComparer.Ordinal);
        var name = owned.Network(plan.Workspace, plan.Generation);
        if (!hasNetwork)
            await networks.CreateAsync(name, owned.Bridge(name), plan.Subnet, egress: false, owned.Labels(plan.Workspace, plan.Generation), cancel);
        await containerEngine.EachAsync(plan.Nodes, n =>
            NodeContainers.EnsureAsync(containerEngine, recipe.Describe(plan, n, profile), current[n.Name].FirstOrDefault(), plan.KeepsWhatIsThere, cancel),
            cancel);
        return EnsureAnswer.IsDone;
    }

    public Task<IReadOnlyList<ClusterStatus>> LookAsync(CancellationToken cancel) => look.SeeAsync(null, cancel);

    public async Task<ClusterStatus?> LookAsync(Guid workspace, CancellationToken cancel) => (await look.SeeAsync(workspace, cancel)).SingleOrDefault();

    public async IAsyncEnumerable<ClusterEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        try
        {
            await foreach (var happened in new DockerEvents(containerEngine, owned, time).FollowAsync(cancel))
            {
                readings.Hear(followed: happened.What is not ClusterHappening.Unavailable);
                yield return happened;
            }
        }
        finally
        {
            readings.Hear(followed: false);
        }
    }

    public Task RemoveNodesAsync(Guid workspace, int upTo, CancellationToken cancel) =>
        RemoveNodesAsync(workspace, labels => Owned.GenerationOf(labels) <= upTo, cancel);

    public Task RemoveNodesAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel) =>
        RemoveNodesAsync(workspace, labels => nodes.Contains(Owned.NodeOf(labels), StringComparer.Ordinal), cancel);

    private async Task RemoveNodesAsync(Guid workspace, Func<IDictionary<string, string>, bool> which, CancellationToken cancel)
    {
        using var deadline = new CancellationTokenSource(Call, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        try
        {
            await containerEngine.EachAsync((await containerEngine.ListAsync(owned.Mine(workspace), cancel)).Where(c => which(c.Labels)), async c =>
            {
                if (NodeContainers.StateOf(c) == NodeState.Running)
                {
                    await ContainerEngineTasks.IfThereAsync(() =>
                        containerEngine.CallAsync(e =>
                            e.Containers.StopContainerAsync(c.ID, new ContainerStopParameters { WaitBeforeKillSeconds = GraceSeconds }, both.Token),
                            both.Token));
                }

                await containerEngine.RemoveAsync(c.ID, both.Token);
            }, cancel, waitsOnly: true);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw ContainerEngineFaults.Make(CloudFault.TimedOut, "nodes were asked to stop but still exist",
                "Wait until all nodes are gone, then continue.", e);
        }
    }

    public async Task RemoveNetworkAsync(Guid workspace, int upTo, CancellationToken cancel)
    {
        if ((await containerEngine.ListAsync(owned.Mine(workspace), cancel)).Any(c => Owned.GenerationOf(c.Labels) <= upTo))
        {
            throw ContainerEngineFaults.Make(CloudFault.Conflict, "nodes of this workspace still exist", "Remove them first and wait until they are gone.");
        }

        await containerEngine.EachAsync((await networks.ListAsync(owned.Mine(workspace), cancel)).Where(n => Owned.GenerationOf(n.Labels) <= upTo), n =>
            networks.RemoveAsync(n.ID, cancel), cancel);
    }

    public Task<IReadOnlyList<NodeSample>> SamplesAsync(CancellationToken cancel) => readings.ReadAsync(cancel);

    public async Task<IReadOnlyList<string>> LogTailAsync(Guid workspace, string node, int lines, CancellationToken cancel) =>
        await NewestAsync(workspace, node, cancel) is { } newest ? await NodeLogs.TailAsync(containerEngine, newest.ID, lines, time, cancel) : [];

    public async IAsyncEnumerable<string> LogAsync(Guid workspace, string node, int? tail, bool follow, [EnumeratorCancellation] CancellationToken cancel)
    {
        if (await NewestAsync(workspace, node, cancel) is not { } newest) yield break;
        await foreach (var line in NodeLogs.ReadAsync(containerEngine, newest.ID, tail, follow, cancel)) yield return line;
    }

    public async Task<CommandResult> ExecuteAsync(Guid workspace, string node, IReadOnlyList<string> command, CancellationToken cancel) =>
        await NewestAsync(workspace, node, cancel) is { } newest && NodeContainers.StateOf(newest) == NodeState.Running
            ? await NodeCommand.RunAsync(containerEngine, newest.ID, node, command, time, cancel)
            : throw ContainerEngineFaults.Make(CloudFault.Missing, $"the node {node} is not running", "Wait until it runs again.");

    private async Task<ContainerListResponse?> NewestAsync(Guid workspace, string node, CancellationToken cancel) =>
        (await containerEngine.ListAsync(owned.Mine(workspace), cancel))
            .Where(c => Owned.NodeOf(c.Labels) == node)
            .MaxBy(c => Owned.GenerationOf(c.Labels));

    public Task<IReadOnlyList<string>> ForeignRangesAsync(CancellationToken cancel) => ranges.ReadAsync(cancel);

    /// <summary>Older generations, nodes that are not in the plan, and a network with other addresses
    /// are removed before anything is created. Returns what remains.</summary>
    private async Task<(IReadOnlyList<ContainerListResponse> Nodes, bool Network)> SweepAsync(ClusterPlan plan,
        IEnumerable<ContainerListResponse> there, IList<NetworkResponse> held, CancellationToken cancel)
    {
        var names = plan.Nodes.Select(n => n.Name).ToHashSet(StringComparer.Ordinal);
        var stale = held.Where(n => Owned.GenerationOf(n.Labels) != plan.Generation || n.IPAM?.Config?.FirstOrDefault()?.Subnet != plan.Subnet).ToList();
        // A container stays on the network it was made on, so if a network of this generation is removed its containers must be too.
        var all = stale.Any(n => Owned.GenerationOf(n.Labels) == plan.Generation);
        var parts = there.ToLookup(c => !all && Owned.GenerationOf(c.Labels) == plan.Generation && names.Contains(Owned.NodeOf(c.Labels)));
        await containerEngine.EachAsync(parts[false], c => containerEngine.RemoveAsync(c.ID, cancel), cancel);
        await containerEngine.EachAsync(stale, n => networks.RemoveAsync(n.ID, cancel), cancel);
        return ([.. parts[true]], held.Count > stale.Count);
    }
}
