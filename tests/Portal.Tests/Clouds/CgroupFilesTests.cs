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
