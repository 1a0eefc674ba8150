using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using NodeStatus = Portal.Core.Clouds.NodeStatus;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Reads what exists in two calls, however many clusters there are, plus one call for each node that has exited.</summary>
public sealed partial class ClusterLook(ContainerEngine containerEngine, Networks networks, Owned owned, TimeProvider time)
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
        await containerEngine.EachAsync(containers.Where(c => StateOf(c) == NodeState.Exited),
            async c => ended[c.ID] = await ContainerEngineTasks.OfOneAsync<bool?>(time, async late => await RanOutAsync(c.ID, late), cancel) is true,
            cancel, waitsOnly: true);
        Forget(containers);
        return [.. held.Union(nodes.Select(n => n.Key)).Where(w => w != Guid.Empty).Select(w => new ClusterStatus(w, held.Contains(w),
            [.. nodes[w].Select(c => See(c, ended.GetValueOrDefault(c.ID))).OrderBy(n => n.Generation).ThenBy(n => n.Name, StringComparer.Ordinal)]))];
    }

    public static NodeState StateOf(ContainerListResponse container) => container.State switch
    {
        "created" => NodeState.Created,
        "running" or "paused" or "restarting" => NodeState.Running,
        "dead" => NodeState.Broken,
        _ => NodeState.Exited, // exited, removing
    };

    private static NodeStatus See(ContainerListResponse c, bool outOfMemory)
    {
        var state = StateOf(c);
        var exit = ExitedWith().Match(c.Status ?? "");
        var address = c.NetworkSettings?.Networks?.Values.FirstOrDefault()?.IPAddress;
        return new NodeStatus(Owned.NodeOf(c.Labels), c.Labels.TryGetValue(Owned.Role, out var role) ? role : "", Owned.GenerationOf(c.Labels), state,
            exit.Success && state == NodeState.Exited ? int.Parse(exit.Groups["code"].ValueSpan, CultureInfo.InvariantCulture) : null,
            outOfMemory, state == NodeState.Running && address is { Length: > 0 } ? address : null,
            c.Labels.TryGetValue(Owned.State, out var hash) ? hash : "")
        {
            Reason = state is NodeState.Broken ? "the container engine could neither run nor remove it." : null,
        };
    }

    private async Task<bool> RanOutAsync(string id, CancellationToken cancel)
    {
        if (!_outOfMemory.TryGetValue(id, out var known))
        {
            await ContainerEngineTasks.IfThereAsync(async () =>
                known = (await containerEngine.CallAsync(c => c.Containers.InspectContainerAsync(id, cancel), cancel)).State?.OOMKilled ?? false);
            _outOfMemory[id] = known;
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

    /// <summary>Before API 1.52 the list has the exit code only inside a sentence: "Exited (137) 3 minutes ago".</summary>
    [GeneratedRegex(@"^(?:Exited|Restarting|Dead) \((?<code>\d+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ExitedWith();
}
