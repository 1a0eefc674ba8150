using System.Runtime.CompilerServices;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;

namespace Portal.Tests.Clouds;

/// <summary>
/// Files of a real container on a host with cgroup v2 (Debian 12, kernel 6.1, systemd's driver, its folder on a loop device), with what the container engine
/// reported at the same moment. Recorded/record made them, Recorded/origin.txt says where; they were not edited.
/// </summary>
public sealed class CgroupFilesTests
{
    private const string Container = "54ce177ec56fffbaae2a8153ac56e09ca974b8f65cecdc7965659292cf00f35d";

    private static string Recorded([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "Recorded");

    private static CgroupFiles? Find(string container = Container) => CgroupFiles.Find(container, $"{Recorded()}/cgroup2", $"{Recorded()}/proc");

    [Fact]
    public void Read_Version2_TellsWhatTheEngineSaidAndThatAChildWasKilled()
    {
        using var stats = JsonDocument.Parse(File.ReadAllText($"{Recorded()}/docker-stats.json"));
        long Reported(string path) => path.Split('.').Aggregate(stats.RootElement, (json, name) => json.GetProperty(name)).GetInt64();

        var now = Find()!.Read()!;

        now.Cpu.ShouldBe(TimeSpan.FromMicroseconds(Reported("cpu_stats.cpu_usage.total_usage") / 1000));
        now.Throttled.ShouldBe(TimeSpan.FromMicroseconds(Reported("cpu_stats.throttling_data.throttled_time") / 1000));
        now.Throttled.ShouldBeGreaterThan(TimeSpan.FromSeconds(7));
        now.MemoryBytes.ShouldBe(Reported("memory_stats.usage") - Reported("memory_stats.stats.inactive_file"),
            "page cache that can be dropped is not memory in use");
        now.LimitBytes.ShouldBe(Reported("memory_stats.limit"));
        now.Pids.ShouldBe((int)Reported("pids_stats.current"));
        now.Net.ShouldBe(new Traffic(Reported("networks.eth0.rx_bytes"), Reported("networks.eth0.tx_bytes")));
        now.OutOfMemoryKills.ShouldBe(1, "which the container engine does not report: the container keeps running");
    }

    [Fact]
    public void Read_Version2_LoopDeviceAndTheDiskBelowItAreTheSameBytes() =>
        Find()!.Read()!.Disk.ShouldBe(new Traffic(15_147_008, 42_115_072),
            "7:0 read 14,680,064 and wrote 42,115,072; 254:0, on which it lies, read 15,147,008");

    // Drivers get their numbers at each boot.
    [Theory]
    [InlineData(252, 253)]
    [InlineData(253, 252)]
    [InlineData(253, 254)]
    [InlineData(254, 253)]
    public void Read_OnMappedDevices_GoesByTheNamesOfDrivers(int mapped, int disk)
    {
        using var copy = new Copy(Recorded());
        copy.Devices($"Character devices:\n{disk} device-mapper\n\nBlock devices:\n  7 loop\n{mapped} device-mapper\n{disk} virtblk\n");
        copy.Write("io.stat", $"{mapped}:0 rbytes=1000 wbytes=10\n{mapped}:1 rbytes=1000 wbytes=10\n"
            + $"{disk}:0 rbytes=1500 wbytes=30\n{disk}:16 rbytes=400 wbytes=0\n");
        copy.Read()!.Disk.ShouldBe(new Traffic(2000, 30));
    }

    [Fact]
    public void Read_KilledInAGroupBelow_Counts()
    {
        using var copy = new Copy(Recorded());
        copy.Write("memory.events", "max 7\noom 3\noom_kill 3\n");
        copy.Read()!.OutOfMemoryKills.ShouldBe(3);
    }

    [Fact]
    public void Read_MemoryWithoutLimit_IsNone()
    {
        using var copy = new Copy(Recorded());
        copy.Write("memory.max", "max\n");
        copy.Read()!.LimitBytes.ShouldBe(0);
    }

    [Fact]
    public void Read_FirstProcessNotSeen_LeavesTheNetworkUnknown()
    {
        using var copy = new Copy(Recorded());
        copy.Write("cgroup.procs", "0\n581\n");
        var now = copy.Read()!;
        now.Net.ShouldBeNull();
        now.Pids.ShouldBe(4);
    }

    [Fact]
    public void Read_ContainerEnds_IsNothing()
    {
        using var copy = new Copy(Recorded());
        var files = copy.Files;
        files.Read().ShouldNotBeNull();
        copy.Remove();
        files.Read().ShouldBeNull();
    }

    [Fact]
    public void Find_Unknown_IsNothing() => Find(new('0', 64)).ShouldBeNull();

    // Version 1 cannot attribute later writeback; the processes' counters can.
    [Fact]
    public void Read_Version1_DiskIsNoLessThanItsProcessesSayAndNeverComesOff()
    {
        var folder = Directory.CreateTempSubdirectory("portal-test-cgroup").FullName;
        try
        {
            void Write(string file, string text)
            {
                Directory.CreateDirectory(Path.GetDirectoryName($"{folder}/{file}")!);
                File.WriteAllText($"{folder}/{file}", text);
            }

            foreach (var (controller, file, text) in new[]
            {
                ("memory", "memory.usage_in_bytes", "1000"), ("memory", "memory.limit_in_bytes", "2000"), ("memory", "memory.stat", ""),
                ("memory", "memory.oom_control", ""),
                ("cpu,cpuacct", "cpuacct.usage", "1"), ("cpu,cpuacct", "cpu.stat", ""), ("pids", "pids.current", "2"), ("pids", "cgroup.procs", "11\n12\n13\n"),
                ("blkio", "blkio.throttle.io_service_bytes_recursive", "8:0 Read 5000\n8:0 Write 100\n8:0 Total 5100\n"),
            }) Write($"groups/{controller}/docker/{Container}/{file}", text);
            Write("proc/11/io", "rchar: 9\nwchar: 9\nread_bytes: 1000\nwrite_bytes: 4000\ncancelled_write_bytes: 7\n");
            Write("proc/12/io", "read_bytes: 1\nwrite_bytes: 2000\n"); // process 13 has ended
            var files = CgroupFiles.Find(Container, $"{folder}/groups", $"{folder}/proc")!;
            files.Read()!.Disk.ShouldBe(new Traffic(5000, 6000));

            File.Delete($"{folder}/proc/12/io");
            files.Read()!.Disk.ShouldBe(new Traffic(5000, 6000));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The recorded files, to be changed.</summary>
    private sealed class Copy : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-cgroup").FullName;

        public Copy(string recorded)
        {
            foreach (var file in Directory.EnumerateFiles(recorded, "*", SearchOption.AllDirectories))
            {
                var to = Path.Combine(_folder, Path.GetRelativePath(recorded, file));
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(file, to);
            }
        }

        public CgroupFiles Files => CgroupFiles.Find(Container, $"{_folder}/cgroup2", $"{_folder}/proc")!;

        private string Scope => $"{_folder}/cgroup2/system.slice/docker-{Container}.scope";

        public CgroupFiles.Values? Read() => Files.Read();

        public void Write(string file, string text) => File.WriteAllText($"{Scope}/{file}", text);

        public void Devices(string text) => File.WriteAllText($"{_folder}/proc/devices", text);

        public void Remove() => Directory.Delete(Scope, recursive: true);

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
