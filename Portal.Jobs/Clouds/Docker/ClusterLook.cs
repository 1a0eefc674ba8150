using System.Collections.Concurrent;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Reads what exists in two calls, however many clusters there are, plus one call for each node that has exited.</summary>
public sealed class ClusterLook(ContainerEngine containerEngine, Networks networks, Owned owned, TimeProvider time)
{
    // Whether an exited container ran out of memory never changes, and its id is never reused.
    private readonly ConcurrentDictionary<string, bool> _outOfMemory = new(StringComparer.Ordinal);

    /// <summary>One workspace, or all.</summary>
    public async Task<IReadOnlyList<ClusterStatus>> SeeAsync(Guid? workspace, CancellationToken cancel)
    {
        // Containers first: a network is removed after its containers, so a cluster that still holds something is seen, whatever happens between the calls.
        var containers = await containerEngine.ListAsync(owned.Mine(workspace), cancel);
        var held = (await networks.ListAsync(owned.Mine(workspace), cancel)).Select(n => Owned.WorkspaceOf(n.Labels)).ToHashSet();
        var nodes = containers.ToLookup(c => Owned.WorkspaceOf(c.Labels));
        var ended = new ConcurrentDictionary<string, bool>(StringComparer.Ordinal);
        await containerEngine.EachAsync(containers.Where(c => NodeContainers.StateOf(c) == NodeState.Exited),
            async c => ended[c.ID] = await ContainerEngineTasks.OfOneAsync<bool?>(time, async late => await RanOutAsync(c.ID, late), cancel) is true,
            cancel, waitsOnly: true);
        Forget(containers);
        return [.. held.Union(nodes.Select(n => n.Key)).Where(w => w != Guid.Empty).Select(w => new ClusterStatus(w, held.Contains(w),
            [.. nodes[w].Select(c => NodeContainers.See(c, ended.GetValueOrDefault(c.ID)))
                .OrderBy(n => n.Generation).ThenBy(n => n.Name, StringComparer.Ordinal)]))];
    }

    private async Task<bool> RanOutAsync(string id, CancellationToken cancel)
    {
        if (!_outOfMemory.TryGetValue(id, out var known))
        {
            _outOfMemory[id] = known = await NodeContainers.RanOutOfMemoryAsync(containerEngine, id, cancel);
        }

        return known;
    }

    private void Forget(IList<ContainerListResponse> containers)
    {
        if (_outOfMemory.Count > 2 * containers.Count + 1000)
        {
            _outOfMemory.Clear();
        }
    }
}
