using Portal.Core.Clouds;

namespace Portal.TestKit.Scripted;

public sealed partial class ScriptedClouds
{
    /// <summary>The reading of a running node; null: nothing can be read.</summary>
    public Func<Guid, NodeStatus, NodeSample>? Reading { get; set; }

    public Task<IReadOnlyList<NodeSample>> SamplesAsync(CancellationToken cancel) => AnswerAsync<IReadOnlyList<NodeSample>>(() =>
        Reading is not { } read ? []
            : [.. from site in _sites from node in site.Value.Nodes where node.State == NodeState.Running select read(site.Key, node)]);
}
