using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Metrics;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Clouds;
using Portal.Jobs.Steps;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Clouds;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Metrics;

/// <summary>Real containers, the kernel's own files, rows.</summary>
public sealed class NodeMetricsTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const int Uid = 300_401;

    /// <summary>Takes all that it is sent and answers with a million bytes.</summary>
    private const string Serve = """
        import socket
        server = socket.create_server(("", 9000))
        while True:
            line = server.accept()[0]
            while line.recv(1 << 16): pass
            line.sendall(bytes(1_000_000))
            line.close()
        """;
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Samples_Network_IsCounted()
    {
        var (mount, _, _) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(
            nodes: [await Lab.NodeAsync(uid: Uid, work: mount), await Lab.NodeAsync("neighbour", command: ["python3", "-c", Serve])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var before = await SampleAsync(plan, "notebook");

        var (output, code) = await Lab.PythonInsideAsync(plan, "notebook", $"""
            import socket, time
            for i in range(600):
                try: line = socket.create_connection(("{await Lab.AddressAsync(plan, "neighbour")}", 9000)); break
                except OSError: time.sleep(.1)
            line.sendall(bytes(100_000))
            line.shutdown(socket.SHUT_WR)
            while line.recv(1 << 16): pass
            """);

        code.ShouldBe(0, output);
        var after = await SampleAsync(plan, "notebook");
        (after.Net!.Value.In - before.Net!.Value.In).ShouldBeInRange(1_000_000, 1_300_000);
        (after.Net.Value.Out - before.Net.Value.Out).ShouldBeInRange(100_000, 300_000);
        (await SampleAsync(plan, "neighbour")).Net!.Value.Out.ShouldBeInRange(1_000_000, 1_300_000);
    }

    /// <summary>Page cache counts as memory of the node but can be dropped at any moment, so students are not shown it.</summary>
    [Fact]
    public async Task Samples_FilesThatWereRead_AreNoWorkingSet()
    {
        const int File = 120 << 20;
        var (mount, _, _) = await Lab.WorkAsync(CloudLab.New(), Uid, limit: 300 << 20);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var (output, code) = await Lab.PythonInsideAsync(plan, "notebook", $"""
            import os
            path = "/home/student/work/large"
            with open(path, "wb") as f:
                for i in range({File >> 20}): f.write(os.urandom(1 << 20))
                os.fsync(f.fileno())
            usage = [p for p in ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory.current") if os.path.exists(p)][0]
            print(open(usage).read().strip())
            """);

        code.ShouldBe(0, output);
        long.Parse(output, System.Globalization.CultureInfo.InvariantCulture).ShouldBeGreaterThan(File);
        (await SampleAsync(plan, "notebook")).MemoryBytes.ShouldBeLessThan(File / 2);
    }

    // The node's own process writes, as a notebook's kernel does: its files are on btrfs, whose writeback is attributed to no process on a host with cgroup v1.
    [Fact]
    public async Task Samples_Disk_IsCounted()
    {
        var (mount, _, _) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount, command: ["python3", "-c", $$"""
            import os, subprocess, sys, time
            write = ("import os; f = open('{{ClusterPlans.WorkFolder}}/' + os.sys.argv[1], 'wb'); "
                "f.write(os.urandom(20_000_000)); f.flush(); os.fsync(f.fileno())")
            exec("import sys; sys.argv[1:] = ['mine']; " + write)
            subprocess.run([sys.executable, "-c", write, "childs"], check=True)
            time.sleep(600)
            """]));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        await Until.TrueAsync("its own and its child's writes are counted", async () => (await SampleAsync(plan, "notebook")).Disk?.Out >= 40_000_000, Cancel);

        (await SampleAsync(plan, "notebook")).Disk!.Value.Out.ShouldBeLessThan(90_000_000, "nothing is counted twice");
    }

    [Fact]
    public async Task Watch_ChildOutOfMemory_IsInTheRowsOfItsSpan()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        var workspace = TestSite.NewId();
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0], id: workspace), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await using var jobs = NpgsqlDataSource.Create(database.Jobs);
        var plan = await Lab.PlanAsync(workspace, nodes: await Lab.NodeAsync(memoryMib: 64));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var (readings, spans, rows) = (new Readings(), new RawSpans(), new SampleRows(jobs));
        async Task TickAsync(TimeSpan later = default) =>
            await rows.WriteAsync(
                spans.Add(readings.Take("local", [.. (await Lab.Clusters.SamplesAsync(Cancel)).Where(s => s.Workspace == workspace)]),
                    TimeProvider.System.GetUtcNow() + later), Cancel);
        await TickAsync();

        var (_, code) = await Lab.PythonInsideAsync(plan, "notebook", "b = [bytearray(8 << 20) for _ in range(100)]");
        code.ShouldBe(137);
        await TickAsync();
        await TickAsync(TimeSpan.FromSeconds(20));
        await TickAsync(TimeSpan.FromSeconds(40));

        await using var db = database.Open();
        var samples = await db.Samples.AsNoTracking().Where(s => s.WorkspaceId == workspace).ToListAsync(Cancel);
        samples.Sum(s => s.OutOfMemoryKills).ShouldBe(1);
        samples.ShouldAllBe(s => s.Node == "notebook" && s.MemoryLimitBytes == 64L << 20 && s.Pids >= 1);
    }

    private async Task<NodeSample> SampleAsync(ClusterPlan plan, string node) =>
        (await Lab.Clusters.SamplesAsync(Cancel)).Single(s => s.Workspace == plan.Workspace && s.Node == node);
}
