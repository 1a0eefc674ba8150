using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Byte limits, tried from inside: the kernel refuses the write.</summary>
public sealed class QuotaTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const int Uid = 300_301;
    private const long Mib = 1 << 20;
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Student_AtTheLimit_IsStoppedByTheKernelAndCanDeleteAndGoOn()
    {
        var (mount, _, access) = await Lab.WorkAsync(CloudLab.New(), Uid, limit: 20 * Mib);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var (output, code) = await WriteAsync(plan, "a", 100);

        code.ShouldNotBe(0);
        output.ShouldContain("Disk quota exceeded");
        (await UsedAsync(access)).ShouldBeInRange(15 * Mib, 20 * Mib);
        (await Lab.InsideAsync(plan, "notebook", "rm", "/home/student/work/a")).Code.ShouldBe(0);
        (await WriteAsync(plan, "b", 10)).Code.ShouldBe(0);
        await Lab.Filesets.EnsureAsync(access.Folder, Uid, 60 * Mib, Cancel);
        (await WriteAsync(plan, "c", 30)).Code.ShouldBe(0);
    }

    [Fact]
    public async Task Class_AtItsLimit_StopsStudentsBelowTheirs()
    {
        var classId = CloudLab.New();
        var (one, _, first) = await Lab.WorkAsync(classId, Uid, limit: 50 * Mib, classLimit: 60 * Mib);
        var (two, _, second) = await Lab.WorkAsync(classId, Uid + 1, limit: 50 * Mib, classLimit: 60 * Mib);
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync("one", Uid, one), await Lab.NodeAsync("two", Uid + 1, two)]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        (await WriteAsync(plan, "a", 40, "one")).Code.ShouldBe(0);

        var (output, code) = await WriteAsync(plan, "a", 40, "two");

        code.ShouldNotBe(0);
        output.ShouldContain("Disk quota exceeded");
        (await UsedAsync(second)).ShouldBeLessThan(21 * Mib);
        var usage = await Lab.UsageAsync(Cancel);
        usage.Single(u => u.ClassId == classId && u.IsShare).UsedBytes.ShouldNotBeNull().ShouldBeInRange(50 * Mib, 60 * Mib);
        (await UsedAsync(first)).ShouldBeInRange(40 * Mib, 41 * Mib);
    }

    [Fact]
    public async Task ScratchFolder_AtItsOwnLimit_StopsItsNodeAndNobodyElse()
    {
        var classId = CloudLab.New();
        var (work, _, access) = await Lab.WorkAsync(classId, Uid, limit: 50 * Mib, classLimit: 200 * Mib);
        async Task<NodePlan> WorkerAsync(string name, long limit)
        {
            await Lab.Filesets.EnsureAsync(new FolderRef.Scratch(classId, access.Workspace, name), Uid, limit, Cancel);
            var folder = await Lab.AllowAsync(access with { Folder = new FolderRef.Scratch(classId, access.Workspace, name) }, Cancel);
            var node = await Lab.NodeAsync(name, Uid, work);
            return node with { Folders = [.. node.Folders, new(new MountSource.HostPath(folder), "/scratch", ReadOnly: false)] };
        }
        var plan = await Lab.PlanAsync(access.Workspace, nodes: [await WorkerAsync("worker0", 20 * Mib), await WorkerAsync("worker1", 40 * Mib)]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var (output, code) = await WriteAsync(plan, "a", 100, "worker0", "/scratch");

        code.ShouldNotBe(0);
        output.ShouldContain("Disk quota exceeded");
        (await WriteAsync(plan, "b", 10, "worker0")).Code.ShouldBe(0, "its work folder accepts more data");
        (await WriteAsync(plan, "a", 30, "worker1", "/scratch")).Code.ShouldBe(0, "and so does the other node's scratch folder");
        (await ScratchAsync("worker0")).ShouldBeInRange(15 * Mib, 20 * Mib);
        (await ScratchAsync("worker1")).ShouldBeInRange(30 * Mib, 31 * Mib);

        async Task<long> ScratchAsync(string node) =>
            (await Lab.UsageAsync(Cancel)).Single(u => u.Folder == new FolderRef.Scratch(classId, access.Workspace, node)).UsedBytes!.Value;
    }

    [Fact]
    public async Task WithoutTheProfile_ASubvolumeEscapesTheLimit_WhichIsWhyThereIsOne()
    {
        // Without the guard: the same attempt as in IsolationTests, in a node under Moby's own profile. If this ever fails, the profile guards nothing.
        var (mount, folder, _) = await Lab.WorkAsync(CloudLab.New(), Uid, limit: 20 * Mib);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        var weak = Lab.Get<Jobs.Clouds.Docker.NodeRecipe>()
            .Describe(plan, plan.Nodes[0],
                new Jobs.Clouds.Containers.SeccompProfile(await File.ReadAllTextAsync(CloudLab.Variable("PORTAL_TEST_SECCOMP"), Cancel), "weak"));
        var id = await Jobs.Clouds.Containers.ContainerEngineTasks.CreateAsync(Lab.ContainerEngine, weak, Cancel);
        await Lab.ContainerEngine.CallAsync(c => c.Containers.StartContainerAsync(id, new Docker.DotNet.Models.ContainerStartParameters(), Cancel), Cancel);

        var (output, _) = await Lab.PythonInsideAsync(plan, "notebook", """
            import ctypes, os, struct
            here = os.open("/home/student/work", os.O_RDONLY)
            print(ctypes.CDLL(None).ioctl(here, ctypes.c_ulong(0x5000940E), ctypes.create_string_buffer(struct.pack("<q4088s", 0, b"escape"), 4096)))
            """);

        output.ShouldBe("0");
        (await WriteAsync(plan, "escape/a", 60)).Code.ShouldBe(0);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        (await OwnDisk.RunAsync("btrfs", "subvolume", "delete", Path.Combine(folder, "escape"))).ShouldBe(0);
    }

    private async Task<long> UsedAsync(ShareAccess access) => (await Lab.UsageAsync(Cancel)).Single(u => u.Folder == access.Folder).UsedBytes!.Value;

    private Task<(string Output, long Code)> WriteAsync(ClusterPlan plan, string file, int mib, string node = "notebook",
        string folder = "/home/student/work") =>
        Lab.InsideAsync(plan, node, "dd", "if=/dev/zero", $"of={folder}/{file}", "bs=1M", $"count={mib}", "conv=fsync");
}
