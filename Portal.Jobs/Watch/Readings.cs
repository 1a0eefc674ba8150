using System.Collections.Concurrent;
using Portal.Core.Clouds;

namespace Portal.Jobs.Watch;

/// <param name="Cpu">Share of the CPU limit since the previous reading, 0 to 1.</param>
/// <param name="Throttled">Share of that time in which it was throttled, 0 to 1.</param>
public sealed record Reading(NodeSample Sample, double Cpu, double Throttled)
{
    /// <summary>False for the first reading of a node: there is nothing to compare it with, so only absolute values count.</summary>
    public bool Compared { get; init; }

    /// <summary>Since the previous reading.</summary>
    public long OutOfMemoryKills { get; init; }
    public Traffic Net { get; init; }
    public Traffic Disk { get; init; }
}

/// <summary>The newest reading of every node, and the changes since the previous one.</summary>
public sealed class Readings
{
    private readonly ConcurrentDictionary<(string Pool, Guid Workspace, string Node, int Generation), Reading> _last = new();

    /// <summary>Readings of every node that was running at the last tick.</summary>
    public IReadOnlyCollection<Reading> Newest => [.. _last.Values];

    /// <summary>Compares with the previous tick of this pool and drops those of its nodes that are not seen any more.</summary>
    public IReadOnlyList<Reading> Take(string pool, IReadOnlyList<NodeSample> samples)
    {
        (string, Guid, string, int) Key(NodeSample s) => (pool, s.Workspace, s.Node, s.Generation);
        List<Reading> readings = [.. samples.Select(now => Compare(_last.GetValueOrDefault(Key(now))?.Sample, now))];
        foreach (var reading in readings) _last[Key(reading.Sample)] = reading;
        foreach (var gone in _last.Keys.Where(k => k.Pool == pool).Except(samples.Select(Key)).ToList()) _last.TryRemove(gone, out _);
        return readings;
    }

    /// <summary>Counters of a recreated container start at zero: a value lower than before counts from there.</summary>
    private static Reading Compare(NodeSample? before, NodeSample now)
    {
        // A value that could not be read keeps its last one, so that the next reading does not look like a burst.
        if (before is not null) now = now with { Net = now.Net ?? before.Net, Disk = now.Disk ?? before.Disk };
        if (before is null || now.At <= before.At) return new(now, 0, 0);
        var passed = now.At - before.At;
        return new(now, Math.Clamp((now.Cpu - before.Cpu) / passed / Math.Max(0.01, now.Vcpus), 0, 1),
            Math.Clamp((now.Throttled - before.Throttled) / passed, 0, 1))
        {
            Compared = true,
            OutOfMemoryKills = Since(before.OutOfMemoryKills, now.OutOfMemoryKills),
            Net = Since(before.Net, now.Net),
            Disk = Since(before.Disk, now.Disk),
        };
    }

    private static Traffic Since(Traffic? before, Traffic? now) =>
        before is { } then && now is { } at ? new(Since(then.In, at.In), Since(then.Out, at.Out)) : default;

    private static long Since(long before, long now) => now >= before ? now - before : now;
}
