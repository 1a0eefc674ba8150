using System.Runtime.CompilerServices;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;

namespace Portal.Tests.Clouds;

/// <summary>Files as a host with cgroup v2 shows them (kernel 6.1, systemd driver, data on a loop device), under Recorded.</summary>
public sealed class CgroupFilesTests
{
    private const string Container = "4f2a9c1d7be0835566a1d2c3e4f5061728394a5b6c7d8e9f00112233445566aa";

    private static string Recorded([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "Recorded");

    private static CgroupFiles? Find(string container = Container) => CgroupFiles.Find(container, $"{Recorded()}/cgroup2", $"{Recorded()}/proc");

    [Fact]
    public void Read_Version2_TellsEverything()
    {
        var now = Find()!.Read()!;

        now.Cpu.ShouldBe(TimeSpan.FromMicroseconds(8_415_623));
        now.Throttled.ShouldBe(TimeSpan.FromMicroseconds(3_201_500));
        now.MemoryBytes.ShouldBe(402_653_184 - 104_857_600, "page cache that can be dropped is no use of memory");
        now.LimitBytes.ShouldBe(512L << 20);
        now.OutOfMemoryKills.ShouldBe(3, "of groups below it too: a child is counted there");
        now.Pids.ShouldBe(23);
        now.Net.ShouldBe(new Traffic(1_843_200, 921_600), "of the first process of the container, without its loopback");
        now.Disk.ShouldBe(new Traffic(6_291_456 + 1_048_576, 73_400_320), "the loop device and the disk below it are the same bytes");
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
        copy.Write("cgroup.procs", "0\n4790\n");
        var now = copy.Read()!;
        now.Net.ShouldBeNull();
        now.Pids.ShouldBe(23);
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

    // Version 1 does not know who wrote what is flushed later; the processes do.
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
                ("memory", "memory.usage_in_bytes", "1000"), ("memory", "memory.limit_in_bytes", "2000"), ("memory", "memory.stat", ""), ("memory", "memory.oom_control", ""),
                ("cpu,cpuacct", "cpuacct.usage", "1"), ("cpu,cpuacct", "cpu.stat", ""), ("pids", "pids.current", "2"), ("pids", "cgroup.procs", "11\n12\n13\n"),
                ("blkio", "blkio.throttle.io_service_bytes_recursive", "8:0 Read 5000\n8:0 Write 100\n8:0 Total 5100\n"),
            }) Write($"groups/{controller}/docker/{Container}/{file}", text);
            Write("proc/11/io", "rchar: 9\nwchar: 9\nread_bytes: 1000\nwrite_bytes: 4000\ncancelled_write_bytes: 7\n");
            Write("proc/12/io", "read_bytes: 1\nwrite_bytes: 2000\n"); // 13 has ended
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

        public void Remove() => Directory.Delete(Scope, recursive: true);

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
