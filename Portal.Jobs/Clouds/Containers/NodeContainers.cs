using System.Globalization;
using System.Text.RegularExpressions;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using NodeStatus = Portal.Core.Clouds.NodeStatus;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>The containers of nodes on any container engine: made once, and seen.</summary>
public static partial class NodeContainers
{
    /// <summary>
    /// Makes and starts the container unless it is there as wanted; one that differs is replaced. One that has exited is left alone: its exit must be
    /// seen, and the run decides what to do about it.
    /// </summary>
    /// <param name="wanted">With the labels of <see cref="Owned.Labels(ClusterPlan, NodePlan, string)"/>.</param>
    /// <param name="there">The container of this node and generation as last seen; null if there is none.</param>
    /// <param name="keep">Whether an existing one is kept although it differs, because it is in use.</param>
    public static async Task EnsureAsync(ContainerEngine engine, CreateContainerParameters wanted, ContainerListResponse? there, bool keep,
        CancellationToken cancel)
    {
        if (there is not null && !keep && Label(there.Labels, Owned.State) != wanted.Labels[Owned.State])
        {
            await engine.RemoveAsync(there.ID, cancel);
            there = null;
        }

        if (there is null)
        {
            await StartAsync(engine, await CreateAsync(engine, wanted, cancel), cancel);
        }
        else if (StateOf(there) == NodeState.Created)
        {
            await StartAsync(engine, there.ID, cancel);
        }
    }

    /// <summary>What the container engine says about a container, in our words.</summary>
    public static NodeState StateOf(ContainerListResponse container) => container.State switch
    {
        "created" => NodeState.Created,
        "running" or "paused" or "restarting" => NodeState.Running,
        "dead" => NodeState.Broken,
        _ => NodeState.Exited, // exited, removing
    };

    /// <summary>One container as a node; without an address in the host's own network.</summary>
    /// <param name="outOfMemory">See <see cref="RanOutOfMemoryAsync"/>; of a container that has not exited it is false.</param>
    public static NodeStatus See(ContainerListResponse c, bool outOfMemory)
    {
        var state = StateOf(c);
        var exit = ExitedWith().Match(c.Status ?? "");
        var address = c.NetworkSettings?.Networks?.Values.FirstOrDefault()?.IPAddress;
        return new NodeStatus(Owned.NodeOf(c.Labels), Label(c.Labels, Owned.Role), Owned.GenerationOf(c.Labels), state,
            exit.Success && state == NodeState.Exited ? int.Parse(exit.Groups["code"].ValueSpan, CultureInfo.InvariantCulture) : null,
            outOfMemory, state == NodeState.Running && address is { Length: > 0 } ? address : null, Label(c.Labels, Owned.State))
        {
            Reason = state is NodeState.Broken ? "the container engine could neither run nor remove it." : null,
        };
    }

    /// <summary>Whether a container was killed because memory ran out; false if it is gone.</summary>
    public static async Task<bool> RanOutOfMemoryAsync(ContainerEngine engine, string container, CancellationToken cancel)
    {
        var ranOut = false;
        await ContainerEngineTasks.IfThereAsync(async () =>
            ranOut = (await engine.CallAsync(c => c.Containers.InspectContainerAsync(container, cancel), cancel)).State?.OOMKilled ?? false);
        return ranOut;
    }

    private static async Task StartAsync(ContainerEngine engine, string id, CancellationToken cancel) =>
        // false if it is already running
        await engine.CallAsync(c => c.Containers.StartContainerAsync(id, new ContainerStartParameters(), cancel), cancel);

    private static async Task<string> CreateAsync(ContainerEngine engine, CreateContainerParameters wanted, CancellationToken cancel)
    {
        try
        {
            return await engine.CreateAsync(wanted, cancel);
        }
        catch (CloudException e) when (e.Fault == CloudFault.Conflict)
        {
            // Already created by a call whose response was lost, or by another worker; it counts as ours only if every setting is the same.
            // A name is taken before its container becomes visible: then the conflict remains, and a later check resolves it.
            ContainerInspectResponse? other = null;
            await ContainerEngineTasks.IfThereAsync(async () =>
                other = await engine.CallAsync(c => c.Containers.InspectContainerAsync(wanted.Name!, cancel), cancel));
            if (other?.Config?.Labels is { } labels
                && new[] { Owned.Installation, Owned.State }.All(l => Label(labels, l) is { Length: > 0 } value && value == wanted.Labels[l]))
            {
                return other.ID;
            }

            throw;
        }
    }

    private static string Label(IDictionary<string, string> labels, string name) => labels.TryGetValue(name, out var value) ? value : "";

    /// <summary>Before API 1.52 the list has the exit code only inside a sentence: "Exited (137) 3 minutes ago".</summary>
    [GeneratedRegex(@"^(?:Exited|Restarting|Dead) \((?<code>\d+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ExitedWith();
}
