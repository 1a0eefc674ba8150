using System.Globalization;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>The kernel's files about one container: its control groups, version 1 or 2, whichever
/// driver made them, and the network of its first process.</summary>
public sealed class CgroupFiles
{
    /// <summary>Drivers of devices stacked on others: what passes through them is counted again at the underlying disk.</summary>
    private static readonly string[] OnOthers = ["loop", "md", "mdp", "device-mapper"];

    /// <summary>Numbers of those drivers here: the kernel assigns most of them at boot, so a number may
    /// mean a mapped device on one machine and a disk on the next.</summary>
    private readonly IReadOnlySet<string> _stacked;
    private readonly bool _unified;
    private readonly string _memory, _cpu, _cpuAccount, _processes, _disk, _proc;
    private string? _network;
    private Traffic _processesDisk;

    private CgroupFiles(bool unified, string memory, string cpu, string cpuAccount, string processes, string disk, string proc) =>
        (_unified, _memory, _cpu, _cpuAccount, _processes, _disk, _proc, _stacked) = (unified, memory, cpu, cpuAccount, processes, disk, proc, Stacked(proc));

    /// <param name="Cpu">Since the container started, like kills and traffic.</param>
    /// <param name="MemoryBytes">Working set: without page cache that can be dropped.</param>
    /// <param name="LimitBytes">0 for none.</param>
    /// <param name="OutOfMemoryKills">Processes of the container that were killed because memory ran out, including children.</param>
    public sealed record Values(TimeSpan Cpu, TimeSpan Throttled, long MemoryBytes, long LimitBytes, long OutOfMemoryKills, int Pids, Traffic? Net,
        Traffic? Disk);

    /// <summary>Null if they are not visible from here.</summary>
    /// <param name="groups">Where control groups are mounted.</param>
    /// <param name="proc">Where the proc file system is mounted.</param>
    public static CgroupFiles? Find(string container, string groups = "/sys/fs/cgroup", string proc = "/proc")
    {
        foreach (var below in new[] { $"docker/{container}", $"system.slice/docker-{container}.scope" })
        {
            if (Directory.Exists($"{groups}/memory/{below}"))
            {
                return new(false, $"{groups}/memory/{below}", Either("cpu", below), Either("cpuacct", below), $"{groups}/pids/{below}",
                    $"{groups}/blkio/{below}", proc);
            }

            if (File.Exists($"{groups}/{below}/memory.current"))
            {
                var all = $"{groups}/{below}";
                return new(true, all, all, all, all, all, proc);
            }
        }

        return null;

        string Either(string controller, string below) =>
            Directory.Exists($"{groups}/{controller}/{below}") ? $"{groups}/{controller}/{below}" : $"{groups}/cpu,cpuacct/{below}";
    }

    /// <summary>Null if the container has exited.</summary>
    public Values? Read()
    {
        try
        {
            return _unified
                ? new Values(Microseconds(Field($"{_cpu}/cpu.stat", "usage_usec")), Microseconds(Field($"{_cpu}/cpu.stat", "throttled_usec")),
                    Math.Max(0, Number($"{_memory}/memory.current") - Field($"{_memory}/memory.stat", "inactive_file")), Number($"{_memory}/memory.max"),
                    Field($"{_memory}/memory.events", "oom_kill"), (int)Number($"{_processes}/pids.current"), Network(), Disk())
                : new Values(Nanoseconds(Number($"{_cpuAccount}/cpuacct.usage")), Nanoseconds(Field($"{_cpu}/cpu.stat", "throttled_time")),
                    Math.Max(0, Number($"{_memory}/memory.usage_in_bytes") - Field($"{_memory}/memory.stat", "total_inactive_file")),
                    Number($"{_memory}/memory.limit_in_bytes"),
                    Field($"{_memory}/memory.oom_control", "oom_kill"), (int)Number($"{_processes}/pids.current"), Network(), Disk());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // removed in the meantime; ENODEV is an IOException too
        }
    }

    /// <summary>Everything but the loopback, as the container's first process sees it. That process
    /// lives as long as the container, so its id cannot refer to another.</summary>
    private Traffic? Network()
    {
        if ((_network ??= FirstProcess()) is not { } file)
        {
            return null;
        }

        long received = 0, sent = 0;
        foreach (var line in File.ReadLines(file))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0
                && line[..colon].Trim() is not "lo"
                && line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: >= 9 } columns)
            {
                received += Parse(columns[0]);
                sent += Parse(columns[8]);
            }
        }

        return new(received, sent);
    }

    private string? FirstProcess()
    {
        foreach (var id in File.ReadLines($"{_processes}/cgroup.procs"))
        {
            try
            {
                // 1 in the innermost namespace; 0 means a process of a namespace that we cannot see.
                if (id is not "0"
                    && File.ReadLines($"{_proc}/{id}/status")
                        .FirstOrDefault(l => l.StartsWith("NSpid:", StringComparison.Ordinal))?.Split('\t', ' ') is [_, _, .., "1"])
                {
                    return $"{_proc}/{id}/net/dev";
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // it exited between the listing and the read
            }
        }

        return null;
    }

    private Traffic? Disk()
    {
        if (_unified)
        {
            return File.Exists($"{_disk}/io.stat") ? Devices(File.ReadLines($"{_disk}/io.stat").Select(Unified)) : null;
        }

        // Exists for every container and stays empty until it reads or writes past the page cache, because this version cannot attribute
        // later writeback. The processes' own counters include it.
        var file = $"{_disk}/blkio.throttle.io_service_bytes_recursive";
        if (!File.Exists(file) && !File.Exists(file = $"{_disk}/blkio.throttle.io_service_bytes")) return null;
        return Larger(Devices(File.ReadLines(file).Select(Separate)), Processes());
    }

    /// <summary>From the processes' own counters; an exited process is included in its parent's. The
    /// total never falls if the parent is outside the container.</summary>
    private Traffic Processes()
    {
        Traffic all = default;
        foreach (var id in File.ReadLines($"{_processes}/cgroup.procs"))
        {
            try
            {
                all = new(all.In + Field($"{_proc}/{id}/io", "read_bytes:"), all.Out + Field($"{_proc}/{id}/io", "write_bytes:"));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // it exited between the listing and the read, or we lack permission
            }
        }

        return _processesDisk = Larger(_processesDisk, all);
    }

    private static Traffic Larger(Traffic one, Traffic other) => new(Math.Max(one.In, other.In), Math.Max(one.Out, other.Out));

    /// <summary>"8:0 rbytes=4096 wbytes=0 rios=1 …"</summary>
    private static (string Device, Traffic Bytes) Unified(string line)
    {
        var parts = line.Split(' ');
        return (parts[0], new(Of("rbytes="), Of("wbytes=")));

        long Of(string name) => parts.FirstOrDefault(p => p.StartsWith(name, StringComparison.Ordinal)) is { } part ? Parse(part.AsSpan(name.Length)) : 0;
    }

    /// <summary>"8:0 Read 4096", "8:0 Write 0", and other lines that count the same bytes again.</summary>
    private static (string Device, Traffic Bytes) Separate(string line) => line.Split(' ') switch
    {
        [var device, "Read", var bytes] => (device, new(Parse(bytes), 0)),
        [var device, "Write", var bytes] => (device, new(0, Parse(bytes))),
        _ => ("", default),
    };

    /// <summary>"  7 loop" in the second half of /proc/devices.</summary>
    private static HashSet<string> Stacked(string proc) => !File.Exists($"{proc}/devices") ? [] :
        [.. File.ReadLines($"{proc}/devices")
            .SkipWhile(l => l is not "Block devices:")
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(w => w.Length == 2 && OnOthers.Contains(w[1]))
            .Select(w => w[0])];

    /// <summary>The larger of what disks and stacked devices have seen, because a sum would count most of it twice.</summary>
    private Traffic Devices(IEnumerable<(string Device, Traffic Bytes)> lines)
    {
        Traffic disks = default, above = default;
        foreach (var (device, bytes) in lines)
        {
            if (_stacked.Contains(device.Split(':')[0])) above = new(above.In + bytes.In, above.Out + bytes.Out);
            else disks = new(disks.In + bytes.In, disks.Out + bytes.Out);
        }

        return Larger(disks, above);
    }

    private static long Number(string file) => Parse(File.ReadAllText(file).AsSpan().Trim());

    private static long Field(string file, string name)
    {
        foreach (var line in File.ReadLines(file))
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] == ' ')
            {
                return Parse(line.AsSpan(name.Length + 1));
            }
        }

        return 0;
    }

    /// <summary>0 for "max", which is version 2's word for no limit.</summary>
    private static long Parse(ReadOnlySpan<char> text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;

    private static TimeSpan Microseconds(long value) => TimeSpan.FromTicks(value * 10);

    private static TimeSpan Nanoseconds(long value) => TimeSpan.FromTicks(value / 100);
}
