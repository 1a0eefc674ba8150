using Portal.Core.Metrics;

namespace Portal.Jobs.Watch;

/// <summary>Collects readings into spans of ten seconds starting at multiples of ten; a span is returned when a later one begins.</summary>
public sealed class RawSpans
{
    private readonly Dictionary<(Guid Workspace, string Node), Gathered> _open = [];

    /// <summary>Adds readings; returns the spans that have ended.</summary>
    public IReadOnlyList<Sample> Add(IReadOnlyList<Reading> readings, DateTimeOffset now)
    {
        var begin = Spans.Begin(now, Spans.Raw);
        var ended = new List<Sample>();
        foreach (var (key, open) in _open.Where(o => o.Value.At < begin).ToList())
        {
            _open.Remove(key);
            if (open.End(key) is { } sample) ended.Add(sample);
        }
        foreach (var reading in readings)
        {
            var key = (reading.Sample.Workspace, reading.Sample.Node);
            if (!_open.TryGetValue(key, out var open)) _open[key] = open = new(begin);
            open.Add(reading);
        }
        return ended;
    }

    private sealed class Gathered(DateTimeOffset at)
    {
        private double _cpu, _cpuMost, _throttled, _memory;
        private long _memoryMost, _limit, _kills, _netIn, _netOut, _read, _written;
        private int _count, _compared, _pids;

        public DateTimeOffset At => at;

        public void Add(Reading r)
        {
            _count++;
            if (r.Compared)
            {
                _compared++;
                _cpu += r.Cpu;
                _throttled += r.Throttled;
                _cpuMost = Math.Max(_cpuMost, r.Cpu);
            }
            _memory += r.Sample.MemoryBytes;
            _memoryMost = Math.Max(_memoryMost, r.Sample.MemoryBytes);
            _limit = r.Sample.MemoryLimitBytes;
            _pids = Math.Max(_pids, r.Sample.Pids);
            _kills += r.OutOfMemoryKills;
            (_netIn, _netOut) = (_netIn + r.Net.In, _netOut + r.Net.Out);
            (_read, _written) = (_read + r.Disk.In, _written + r.Disk.Out);
        }

        /// <summary>Null for a span that saw a node only start, because its CPU use would be made up.</summary>
        public Sample? End((Guid Workspace, string Node) key) => _compared == 0 ? null : new()
        {
            WorkspaceId = key.Workspace,
            Node = key.Node,
            At = at,
            Span = (int)Spans.Raw.TotalSeconds,
            Cpu = _cpu / _compared,
            CpuMost = _cpuMost,
            Throttled = _throttled / _compared,
            MemoryBytes = (long)(_memory / _count),
            MemoryMost = _memoryMost,
            MemoryLimitBytes = _limit,
            OutOfMemoryKills = _kills,
            Pids = _pids,
            NetIn = _netIn,
            NetOut = _netOut,
            DiskRead = _read,
            DiskWritten = _written,
        };
    }
}
