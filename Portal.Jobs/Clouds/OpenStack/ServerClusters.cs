using System.Runtime.CompilerServices;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Clusters of one project: every workspace a stack, every node a container on a server of its own.</summary>
internal sealed class ServerClusters(
    Stacks stacks, ServerNodes nodes, StackProgress progress, ProjectReport report, Neutron neutron, ServerOptions options, TimeProvider clock)
    : IClusterCloud
{
    private static readonly TimeSpan Late = TimeSpan.FromMinutes(2), AfterSignal = TimeSpan.FromMinutes(5);

    public CloudTimes Times { get; } = new(Settled: Late, Make: options.BootLimit + AfterSignal, options.ProofDeadline);

    public Task<CloudReport> PrepareAsync(CancellationToken cancel) => report.PrepareAsync(cancel);

    public async Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        ContainerRecipe.Check(plan);
        var answer = await stacks.EnsureAsync(plan, cancel);
        return answer is EnsureAnswer.Done ? await nodes.EnsureAsync(plan, cancel) : answer;
    }

    public async Task<IReadOnlyList<ClusterStatus>> LookAsync(CancellationToken cancel)
    {
        var now = await stacks.NowAsync(cancel);
        nodes.Keep(now);
        return await nodes.SeeAsync(now, cancel);
    }

    public async Task<ClusterStatus?> LookAsync(Guid workspace, CancellationToken cancel) =>
        (await nodes.SeeAsync((await stacks.NowAsync(cancel)).Of(workspace), cancel)).SingleOrDefault();

    public IAsyncEnumerable<ClusterEvent> EventsAsync(CancellationToken cancel) => new ServerEvents(LookAsync, clock).FollowAsync(cancel);

    public void Watch(IReadOnlyCollection<Guid> workspaces) => progress.Watch(workspaces);

    public async Task RemoveNodesAsync(Guid workspace, int upTo, CancellationToken cancel) =>
        Must(await stacks.RemoveServersAsync(workspace, upTo, nodes: null, cancel));

    public async Task RemoveNodesAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel) =>
        Must(await stacks.RemoveServersAsync(workspace, int.MaxValue, nodes, cancel));

    public async Task RemoveNetworkAsync(Guid workspace, int upTo, CancellationToken cancel) => Must(await stacks.DeleteAsync(workspace, upTo, cancel));

    public async Task<IReadOnlyList<NodeSample>> SamplesAsync(CancellationToken cancel) =>
        await nodes.SamplesAsync(await stacks.NowAsync(cancel), cancel);

    public async Task<IReadOnlyList<string>> LogTailAsync(Guid workspace, string node, int lines, CancellationToken cancel) =>
        await NewestAsync(workspace, node, cancel) is { } newest ? await newest.Engine.LogTailAsync(newest.Node, lines, cancel) : [];

    public async IAsyncEnumerable<string> LogAsync(Guid workspace, string node, int? tail, bool follow, [EnumeratorCancellation] CancellationToken cancel)
    {
        if (await NewestAsync(workspace, node, cancel) is not { } newest) yield break;
        await foreach (var line in newest.Engine.LogAsync(newest.Node, tail, follow, cancel)) yield return line;
    }

    public async Task<CommandResult> ExecuteAsync(Guid workspace, string node, IReadOnlyList<string> command, CancellationToken cancel) =>
        await NewestAsync(workspace, node, cancel) is { Node.State: NodeState.Running } newest
            ? await newest.Engine.ExecuteAsync(newest.Node, command, cancel)
            : throw new CloudException(Services.Nova, CloudFault.Missing, $"the node {node} is not running", "Wait until it runs again.");

    public Task<IReadOnlyList<string>> ForeignRangesAsync(CancellationToken cancel) => neutron.RangesAsync(cancel);

    private async Task<ServerNode?> NewestAsync(Guid workspace, string node, CancellationToken cancel) =>
        await nodes.NewestAsync(await stacks.NowAsync(cancel), workspace, node, cancel);

    /// <summary>What is under way is looked at again by whoever asked.</summary>
    private static void Must(EnsureAnswer answer)
    {
        if (answer is EnsureAnswer.Broken broken) throw new CloudException(Services.Nova, CloudFault.Broken, broken.Cause, broken.Remedy);
    }
}
