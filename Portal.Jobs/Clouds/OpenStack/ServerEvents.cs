using System.Runtime.CompilerServices;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>OpenStack reports no changes, so they are found by looking: one look for the whole project, every few seconds.</summary>
internal sealed class ServerEvents(Func<CancellationToken, Task<IReadOnlyList<ClusterStatus>>> look, TimeProvider clock)
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(3);

    public async IAsyncEnumerable<ClusterEvent> FollowAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        Dictionary<Guid, ClusterStatus>? last = null;
        using var tick = new PeriodicTimer(Every, clock);
        do
        {
            Dictionary<Guid, ClusterStatus>? now = null;
            try { now = (await look(cancel)).ToDictionary(c => c.Workspace); }
            catch (CloudException) { } // the pool's health says why
            if (now is null)
            {
                if (last is not null) yield return new(ClusterHappening.Unavailable);
            }
            else if (last is null) yield return new(ClusterHappening.LookAgain);
            else
                foreach (var happened in Changes(last, now)) yield return happened;
            last = now;
        }
        while (await tick.WaitForNextTickAsync(cancel));
    }

    internal static IEnumerable<ClusterEvent> Changes(IReadOnlyDictionary<Guid, ClusterStatus> last, IReadOnlyDictionary<Guid, ClusterStatus> now)
    {
        foreach (var workspace in last.Keys.Union(now.Keys))
        {
            var (before, after) = (NodesOf(last, workspace), NodesOf(now, workspace));
            foreach (var (key, node) in before)
            {
                var next = after.GetValueOrDefault(key);
                var ran = node.State == NodeState.Running;
                if (next is null)
                    yield return Of(ran ? ClusterHappening.Died : ClusterHappening.Removed, node, ran ? "its server was removed in the cloud." : null);
                else if (ran && next.State is NodeState.Exited or NodeState.Broken)
                    yield return Of(ClusterHappening.Died, next, next.Reason ?? (next.ExitCode is null ? "its server is no longer running." : null));
                else if ((node.State, node.Address) != (next.State, next.Address)) yield return Of(ClusterHappening.Started, next);
            }
            foreach (var (key, node) in after)
                if (!before.ContainsKey(key)) yield return Of(ClusterHappening.Started, node);

            ClusterEvent Of(ClusterHappening what, NodeStatus node, string? reason = null) => new(what, workspace, node.Name, node.ExitCode, node.Generation)
            {
                Seen = now.GetValueOrDefault(workspace) ?? new(workspace, HasNetwork: false, []),
                Reason = reason,
            };
        }
    }

    /// <summary>While Heat replaces a server, there are two of one node.</summary>
    private static Dictionary<(string, int), NodeStatus> NodesOf(IReadOnlyDictionary<Guid, ClusterStatus> clusters, Guid workspace) =>
        (clusters.GetValueOrDefault(workspace)?.Nodes ?? []).GroupBy(n => (n.Name, n.Generation))
            .ToDictionary(g => g.Key, g => g.MaxBy(n => n.State == NodeState.Running)!);
}
