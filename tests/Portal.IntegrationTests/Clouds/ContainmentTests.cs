using System.Net.Sockets;
using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A node that takes everything it can takes it only from itself: the host and its neighbour keep working.</summary>
public sealed class ContainmentTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const int Uid = 300_001;
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private const string Serve =
        "import socket\ns = socket.socket(); s.bind(('0.0.0.0', 9000)); s.listen(50)\nwhile True:\n    c, _ = s.accept(); c.sendall(b'hello'); c.close()";

    /// <summary>Keeps forking although it is refused; a shell would give up at the first refusal.</summary>
    private const string ForkBomb = """
        import errno, os, time
        if os.fork() == 0:
            os.setsid()
            nowhere = os.open('/dev/null', os.O_RDWR)
            for fd in (0, 1, 2): os.dup2(nowhere, fd)
            while True:
                try:
                    if os.fork() == 0:
                        time.sleep(60)
                        os._exit(0)
                except OSError as e:
                    with open('/home/student/work/refused', 'w') as refused: refused.write(errno.errorcode[e.errno])
                    time.sleep(0.05)
        """;

    /// <summary>As many as the limit would not allow, which end with it.</summary>
    private const string Forks = """
        import errno, os, signal
        made, result = [], "works"
        try:
            for _ in range(100):
                child = os.fork()
                if child == 0: signal.pause()
                made.append(child)
        except OSError as e: result = errno.errorcode[e.errno]
        for child in made: os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
        print(result)
        """;

    [Fact]
    public async Task ForkBomb_StaysWithinItsLimitAndTheNeighbourAnswers()
    {
        var (mount, folder, _) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(uid: Uid, work: mount, vcpus: 0.3) with { Pids = 64 },
            await Lab.NodeAsync("neighbour", command: ["python3", "-c", Serve])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await using var open = await UnconfinedContainer.StartAsync(Lab, "forks", Uid, capable: false);
        (await Lab.PythonInsideAsync(plan, "notebook", Forks)).ShouldBe(("EAGAIN", 0L));
        (await open.PythonAsync(Forks)).ShouldBe(["works"], "without the limit");
        await Lab.PythonInsideAsync(plan, "notebook", ForkBomb);

        var sample = await Eventually.SeesAsync(() => SampleAsync(plan, "notebook"), s => s?.Pids >= 60, "the limit reached");

        sample!.Pids.ShouldBeLessThanOrEqualTo(64);
        await Eventually.HoldsAsync(async () => File.Exists($"{folder}/refused") && await File.ReadAllTextAsync($"{folder}/refused", Cancel) == "EAGAIN",
            "the bomb is refused");
        (await AnswersAsync(plan)).ShouldBeTrue();
        (await SampleAsync(plan, "neighbour"))!.Pids.ShouldBeLessThan(10);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        (await Lab.Clusters.LookAsync(plan.Workspace, Cancel))!.Nodes.ShouldBeEmpty();
    }

    [Fact]
    public async Task MemoryHog_Child_IsKilledAloneAndSeenInTheSample()
    {
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(memoryMib: 64), await Lab.NodeAsync("neighbour", command: ["python3", "-c", Serve])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        (await SampleAsync(plan, "notebook"))!.OutOfMemoryKills.ShouldBe(0);

        var (_, code) = await Lab.PythonInsideAsync(plan, "notebook", "b = [bytearray(8 << 20) for _ in range(100)]; print('had it')");

        code.ShouldBe(137);
        var sample = await SampleAsync(plan, "notebook");
        sample!.OutOfMemoryKills.ShouldBeGreaterThan(0);
        sample.MemoryLimitBytes.ShouldBe(64L << 20);
        sample.MemoryBytes.ShouldBeLessThan(64L << 20);
        (await Lab.Clusters.LookAsync(plan.Workspace, Cancel))!.Nodes.ShouldAllBe(n => n.State == NodeState.Running);
        (await AnswersAsync(plan)).ShouldBeTrue();
    }

    [Fact]
    public async Task MemoryHog_FirstProcess_IsSeenEndedForWantOfMemory()
    {
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(memoryMib: 64, command: ["python3", "-c", "b = [bytearray(8 << 20) for _ in range(100)]"]));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var node = (await Eventually.SeesAsync(() => Lab.Clusters.LookAsync(plan.Workspace, Cancel), c => c!.Nodes[0].State == NodeState.Exited,
            "the end"))!.Nodes[0];

        node.ExitCode.ShouldBe(137);
        node.OutOfMemory.ShouldBeTrue();
    }

    [Fact]
    public async Task Tmpfs_Filled_CountsAsItsOwnMemory()
    {
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(memoryMib: 96));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var (output, code) = await Lab.PythonInsideAsync(plan, "notebook", """
            import errno
            with open("/tmp/big", "wb") as big:
                try:
                    for _ in range(400): big.write(bytes(1 << 20)); big.flush()
                except OSError as e: print(errno.errorcode[e.errno])
            """);

        (output, code).ShouldBe(("ENOSPC", 0L));
        (await SampleAsync(plan, "notebook"))!.MemoryBytes.ShouldBeLessThanOrEqualTo(96L << 20);
    }

    [Fact]
    public async Task BusyNode_IsThrottledToItsShareAndTheSampleSaysSo()
    {
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(vcpus: 0.2, command: ["python3", "-c", "while True: pass"]));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var first = (await SampleAsync(plan, "notebook"))!;
        var last = (await Eventually.SeesAsync(() => SampleAsync(plan, "notebook"), s => s!.At - first.At > TimeSpan.FromSeconds(3), "three seconds of it"))!;

        var share = (last.Cpu - first.Cpu) / (last.At - first.At);
        share.ShouldBeInRange(0.02, 0.26);
        last.Throttled.ShouldBeGreaterThan(TimeSpan.Zero);
        last.Vcpus.ShouldBe(0.2);
    }

    [Fact]
    public async Task Log_Endless_IsCutByTheEngineAndByTheReader()
    {
        var plan = await Lab.PlanAsync(
            nodes: await Lab.NodeAsync(
                command: ["sh", "-c", "printf '\\033[31mred\\033[0m \\007bell\\n'; head -c 3000000 /dev/zero | tr '\\0' x; echo; "
                    + "yes line | head -c 15000000; echo last; sleep infinity"]));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var lines = await Eventually.SeesAsync(() => Lab.Clusters.LogTailAsync(plan.Workspace, "notebook", 200, Cancel), l => l.Contains("last"),
            "the last line", 60);

        lines.Count.ShouldBeLessThanOrEqualTo(200);
        lines.ShouldAllBe(l => l.Length <= 2002);
        lines[^1].ShouldBe("last");
        var folder = (await Lab.ContainerEngine.CallAsync(c =>
            c.Containers.InspectContainerAsync(Lab.Owned.Container(plan.Workspace, 1, "notebook"), Cancel), Cancel)).LogPath;
        Directory.GetFiles(Path.GetDirectoryName(folder)!, "*-json.log*").Sum(f => new FileInfo(f).Length).ShouldBeLessThan(11_000_000);
    }

    private async Task<NodeSample?> SampleAsync(ClusterPlan plan, string node) =>
        (await Lab.Clusters.SamplesAsync(Cancel)).SingleOrDefault(s => s.Workspace == plan.Workspace && s.Node == node);

    private async Task<bool> AnswersAsync(ClusterPlan plan)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(await Lab.AddressAsync(plan, "neighbour"), 9000, Cancel);
        var buffer = new byte[5];
        await client.GetStream().ReadExactlyAsync(buffer, Cancel);
        return System.Text.Encoding.ASCII.GetString(buffer) == "hello";
    }
}
