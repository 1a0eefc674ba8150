using System.Collections.Concurrent;
using System.Globalization;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// Readings of running nodes, from the kernel's own files: the container engine answers only at its next whole second (20.10), and it does not know
/// how often a child was killed because memory ran out. If the files are not visible (another cgroup namespace) the container engine is asked.
/// While its events are followed, a cached list of containers is used until an event says that it changed, so a tick makes no call to the container engine.
/// </summary>
public sealed class NodeReadings(ContainerEngine containerEngine, Owned owned, TimeProvider time)
{
    /// <summary>Events are hints, and a lost one must not hide a container forever.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);
    private readonly ConcurrentDictionary<string, CgroupFiles> _files = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private Listed? _listed;
    private int _version;
    private bool _followed;

    private sealed record Listed(DateTimeOffset At, IReadOnlyList<ContainerListResponse> Running);

    /// <summary>The cached list is no longer valid.</summary>
    /// <param name="followed">Whether later changes will be reported as well.</param>
    public void Hear(bool followed)
    {
        lock (_gate) (_listed, _followed, _version) = (null, followed, _version + 1);
    }

    public async Task<IReadOnlyList<NodeSample>> ReadAsync(CancellationToken cancel)
    {
        var running = await RunningAsync(cancel);
        var samples = new ConcurrentBag<NodeSample>();
        await containerEngine.EachAsync(running, async c =>
        {
            if ((FromFiles(c) ?? await EngineSamples.ReadAsync(containerEngine, c, time, cancel)) is { } sample)
            {
                samples.Add(sample);
            }
        }, cancel, waitsOnly: true);
        foreach (var gone in _files.Keys.Except(running.Select(c => c.ID), StringComparer.Ordinal))
        {
            _files.TryRemove(gone, out _);
        }

        return [.. samples.OrderBy(s => s.Workspace).ThenBy(s => s.Node, StringComparer.Ordinal)];
    }

    private async Task<IReadOnlyList<ContainerListResponse>> RunningAsync(CancellationToken cancel)
    {
        int version;
        lock (_gate)
        {
            if (_listed is { } last && time.GetUtcNow() - last.At < Longest) return last.Running;
            version = _version;
        }

        List<ContainerListResponse> running = [
            .. (await containerEngine.ListAsync(owned.Mine(workspace: null), cancel)).Where(c => NodeContainers.StateOf(c) == NodeState.Running)];
        lock (_gate)
        {
            // An event that arrived in the meantime may concern something that this list lacks.
            if (_followed && version == _version) _listed = new(time.GetUtcNow(), running);
        }

        return running;
    }

    private NodeSample? FromFiles(ContainerListResponse container)
    {
        if (!_files.TryGetValue(container.ID, out var files))
        {
            if (CgroupFiles.Find(container.ID) is not { } found)
            {
                return null;
            }

            files = _files.GetOrAdd(container.ID, found);
        }

        return files.Read() is { } now
            ? Sample(container, time.GetUtcNow(), now)
            : null; // it exited in the meantime
    }

    private static NodeSample Sample(ContainerListResponse c, DateTimeOffset at, CgroupFiles.Values v) =>
        new(Owned.WorkspaceOf(c.Labels), Owned.NodeOf(c.Labels), Owned.GenerationOf(c.Labels), at, v.Cpu, v.Throttled,
            v.MemoryBytes, v.LimitBytes, v.OutOfMemoryKills, v.Pids, double.Parse(c.Labels[Owned.Vcpus], CultureInfo.InvariantCulture))
        {
            Net = v.Net,
            Disk = v.Disk
        };
}
