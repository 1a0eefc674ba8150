using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>A node as a container on a server of its own: the kit of a real project, from the folder's rule to nothing.</summary>
[Trait("Lane", "openstack")]
public sealed class ServerClustersTests(StackLab lab) : IClassFixture<StackLab>
{
    private const int Uid = 70_124;
    private const long Gib = 1L << 30;
    private const double Boot = 120, Moment = 60;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Node_OnAServer_RunsWithItsFoldersAndLimits_AndIsReleased()
    {
        await using var services = lab.OpenPool();
        var kit = StackLab.KitOf(services);
        var image = (await kit.Images.LookAsync("python", Cancel)).There.ShouldNotBeNull().Id;
        (await kit.Clusters.PrepareAsync(Cancel)).Capacity.ShouldNotBeNull().Vcpu.ShouldBeGreaterThan(0);
        var (workspace, subnet) = (CloudLab.New(), StackLab.NewSubnet());
        var access = new ShareAccess(workspace, 1, new FolderRef.Work(CloudLab.New(), CloudLab.New()));
        await Eventually.SeesAsync(() => kit.Filesets.EnsureAsync(access.Folder, Uid, Gib, Cancel), a => a is EnsureAnswer.Done, "the folder is made", Moment);
        var active = (AccessAnswer.Active)await Eventually.SeesAsync(
            () => kit.Shares.AllowAsync(access, subnet, Cancel), a => a is AccessAnswer.Active, "the rule is active", Moment);
        using var examples = new Examples();
        var plan = Plan(workspace, subnet, image, new(active.Source, "/home/student/work", ReadOnly: false),
            new(new MountSource.Content(examples.Path, "0a1b2c3d"), "/opt/examples", ReadOnly: true),
            new(new MountSource.OwnDisk("scratch"), "/scratch", ReadOnly: false));

        await Eventually.SeesAsync(() => kit.Clusters.EnsureAsync(plan, Cancel), a => a is EnsureAnswer.Done, "it is as planned", Boot);

        var node = (await kit.Clusters.LookAsync(workspace, Cancel)).ShouldNotBeNull().Nodes.ShouldHaveSingleItem();
        (node.Name, node.State, node.Generation).ShouldBe(("notebook", NodeState.Running, 1));
        node.Address.ShouldNotBeNull();
        (await SaysAsync("id -u; id -g; cat /proc/self/status | grep -E '^(NoNewPrivs|Seccomp|CapEff):' | tr -s '\\t ' ' '"))
            .ShouldBe($"{Uid}\n{Uid}\nCapEff: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2");
        (await SaysAsync("echo kept > ~/work/file; cat /opt/examples/a/hello.txt; echo x > /scratch/x && echo scratch; getent hosts notebook | tr -s ' '"))
            .ShouldBe($"hello\nscratch\n{node.Address} notebook");
        (await SaysAsync("touch /opt/examples/mine 2>&1; touch /etc/mine 2>&1; echo $GREETING $TOKEN")).ShouldBe(
            "touch: cannot touch '/opt/examples/mine': Read-only file system\ntouch: cannot touch '/etc/mine': Read-only file system\nhi correct-horse");
        (await SaysAsync("echo same > /tmp/mark")).ShouldBe("");
        await using var after = lab.OpenPool(); // as after a restart of the background worker
        foreach (var again in (CloudKit[])[kit, StackLab.KitOf(after)])
            (await again.Clusters.EnsureAsync(plan, Cancel)).ShouldBeOfType<EnsureAnswer.Done>("asked again, it is the same");
        (await SaysAsync("cat ~/work/file /tmp/mark")).ShouldBe("kept\nsame");
        var other = plan with { Nodes = [plan.Nodes[0] with { Environment = new Dictionary<string, string> { ["GREETING"] = "hello" } }] };
        await Eventually.SeesAsync(() => kit.Clusters.EnsureAsync(other, Cancel), a => a is EnsureAnswer.Done, "what differs is made again", Boot);
        (await SaysAsync("cat ~/work/file /opt/examples/a/hello.txt; echo $GREETING")).ShouldBe("kept\nhello\nhello");
        var sample = (await kit.Clusters.SamplesAsync(Cancel)).ShouldHaveSingleItem();
        (sample.Workspace, sample.MemoryLimitBytes, sample.Vcpus).ShouldBe((workspace, 512L << 20, 0.5));
        (await kit.Clusters.LogTailAsync(workspace, "notebook", 5, Cancel)).ShouldContain("up");
        (await lab.Mine.Nova.ServersAsync(lab.Mine.Names, new(workspace, 1), Cancel)).ShouldHaveSingleItem()
            .Metadata[HeatNames.Fingerprint].Length.ShouldBe(64);

        await Eventually.SeesAsync(async () =>
        {
            await kit.Clusters.RemoveNodesAsync(workspace, 1, Cancel);
            return await kit.Clusters.LookAsync(workspace, Cancel);
        }, c => c!.Nodes.Count == 0, "the server is gone", Boot);
        await Eventually.SeesAsync(() => kit.Shares.DenyAsync(access, Cancel), a => a is AccessAnswer.Gone, "the rule is gone", Moment);
        await Eventually.SeesAsync(async () =>
        {
            await kit.Clusters.RemoveNetworkAsync(workspace, 1, Cancel);
            return await kit.Clusters.LookAsync(workspace, Cancel);
        }, c => c is null, "the stack is gone", Moment);

        async Task<string> SaysAsync(string script) =>
            (await kit.Clusters.ExecuteAsync(workspace, "notebook", ["/bin/sh", "-c", script], Cancel)).Output;
    }

    /// <summary>Whoever answers at a server's address without the pinned certificate gets nothing from the portal.</summary>
    [Fact]
    public async Task Engine_WithAnotherCertificate_IsNotTalkedTo()
    {
        await using var services = lab.OpenPool();
        var kit = StackLab.KitOf(services);
        var image = (await kit.Images.LookAsync("python", Cancel)).There.ShouldNotBeNull().Id;
        var workspace = CloudLab.New();
        var plan = Plan(workspace, StackLab.NewSubnet(), image);
        await Eventually.SeesAsync(() => kit.Clusters.EnsureAsync(plan, Cancel), a => a is EnsureAnswer.Done, "it is as planned", Boot);
        var server = (await lab.Mine.Nova.ServersAsync(lab.Mine.Names, new(workspace, 1), Cancel)).ShouldHaveSingleItem();

        await lab.Mine.Nova.PinAsync(server.Id, new string('a', 64), Cancel);

        var fault = await Should.ThrowAsync<CloudException>(() => Eventually.SeesAsync(
            () => kit.Clusters.ExecuteAsync(workspace, "notebook", ["/bin/true"], Cancel), _ => false, "it is refused", Moment));
        fault.Fault.ShouldBeOneOf(CloudFault.Denied, CloudFault.Missing);
        await Eventually.SeesAsync(() => kit.Clusters.LookAsync(workspace, Cancel), c => c!.Nodes.Single().State == NodeState.Broken, "it is said", Moment);
    }

    private static ClusterPlan Plan(Guid workspace, string subnet, string image, params FolderPlan[] folders) => new(workspace, 1, subnet,
    [
        new("notebook", "notebook", image, Uid, ["/bin/sh", "-c", "echo up; exec sleep 100000"],
            new Dictionary<string, string> { ["GREETING"] = "hi" }, new Dictionary<string, string> { ["TOKEN"] = "correct-horse" }, folders, 512, 0.5),
    ]);

    private sealed class Examples : IDisposable
    {
        public Examples()
        {
            Directory.CreateDirectory(System.IO.Path.Combine(Path, "a"));
            File.WriteAllText(System.IO.Path.Combine(Path, "a", "hello.txt"), "hello\n");
        }

        public string Path { get; } = Directory.CreateTempSubdirectory("portal-examples").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
