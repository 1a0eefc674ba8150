using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Used if no container engine is named: the portal runs, and every page can say what is missing and how to get it.</summary>
public sealed class NoClusterCloud : IClusterCloud
{
    public Task<CloudReport> PrepareAsync(CancellationToken cancel) => Task.FromException<CloudReport>(Missing());

    public CloudTimes Times { get; } = new(TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero);

    public Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel) => Task.FromException<EnsureAnswer>(Missing());

    public Task<IReadOnlyList<ClusterStatus>> LookAsync(CancellationToken cancel) => Task.FromException<IReadOnlyList<ClusterStatus>>(Missing());

    public Task<ClusterStatus?> LookAsync(Guid workspace, CancellationToken cancel) => Task.FromException<ClusterStatus?>(Missing());

    public async IAsyncEnumerable<ClusterEvent> EventsAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        yield return new ClusterEvent(ClusterHappening.Unavailable);
        await new TaskCompletionSource().Task.WaitAsync(cancel); // no events here
    }

    public Task RemoveNodesAsync(Guid workspace, int upTo, CancellationToken cancel) => Task.FromException(Missing());

    public Task RemoveNetworkAsync(Guid workspace, int upTo, CancellationToken cancel) => Task.FromException(Missing());

    public Task<IReadOnlyList<NodeSample>> SamplesAsync(CancellationToken cancel) => Task.FromException<IReadOnlyList<NodeSample>>(Missing());

    public IAsyncEnumerable<string> LogAsync(Guid workspace, string node, int? tail, bool follow, CancellationToken cancel) => throw Missing();

    public Task<IReadOnlyList<string>> LogTailAsync(Guid workspace, string node, int lines, CancellationToken cancel) =>
        Task.FromException<IReadOnlyList<string>>(Missing());

    public Task<CommandResult> ExecuteAsync(Guid workspace, string node, IReadOnlyList<string> command, CancellationToken cancel) =>
        Task.FromException<CommandResult>(Missing());

    public Task RemoveNodesAsync(Guid workspace, IReadOnlyCollection<string> nodes, CancellationToken cancel) => Task.FromException(Missing());

    public Task<IReadOnlyList<string>> ForeignRangesAsync(CancellationToken cancel) => Task.FromException<IReadOnlyList<string>>(Missing());

    private static CloudException Missing() => ContainerEngineFaults.NoneNamed();
}
