using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Tests.Clouds;

/// <summary>What a container engine is asked for.</summary>
public sealed class ContainerRecipeTests
{
    private static readonly NodePlan Node = new("notebook", "notebook", "sha256:" + new string('a', 64), 300_001, ["start-notebook"],
        new Dictionary<string, string> { ["A"] = "1" }, new Dictionary<string, string> { ["TOKEN"] = "x" }, [], 512, 0.5)
    { Pids = 99 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Describe_InAnyNetwork_HasEveryLimit(bool host)
    {
        var made = Describe(host ? new NodeNetwork.Host() : new NodeNetwork.Named("portal-net"), "notebook:10.0.0.9");

        made.User.ShouldBe("300001:300001");
        made.Hostname.ShouldBe("notebook");
        made.Env.ShouldBe(["A=1", "TOKEN=x"]);
        var limits = made.HostConfig!;
        (limits.NanoCPUs, limits.Memory, limits.MemorySwap, limits.PidsLimit).ShouldBe((500_000_000, 512 << 20, 512 << 20, 99));
        limits.CapDrop.ShouldBe(["ALL"]);
        limits.SecurityOpt.ShouldBe(["no-new-privileges", "seccomp={}"]);
        limits.ReadonlyRootfs.ShouldBe(true);
        (limits.Privileged, limits.IpcMode, limits.ShmSize).ShouldBe((false, "private", 256 << 20));
        limits.Tmpfs!["/tmp"].ShouldStartWith("size=256m,uid=300001,gid=300001,mode=700,");
        limits.Tmpfs["/home/student"].ShouldStartWith("size=64m,uid=300001,gid=300001,mode=700,");
        limits.Mounts!.Select(m => (m.Type, m.Source, m.Target, m.ReadOnly, m.BindOptions!.Propagation)).ShouldBe(
        [
            ("bind", "/etc/portal/passwd", "/etc/passwd", true, "rprivate"), ("bind", "/etc/portal/group", "/etc/group", true, "rprivate"),
            ("bind", "/mnt/0", "/home/student/work", false, "rprivate"),
        ]);
        limits.LogConfig!.Config!["max-size"].ShouldBe("5m");
        limits.Ulimits!.Select(u => (u.Name, u.Hard)).ShouldBe([("nofile", 8192), ("core", 0)]);
        limits.ExtraHosts.ShouldBe(["any:0.0.0.0", "notebook:10.0.0.9"]);
        limits.DNS.ShouldBe(["127.0.0.1"]);
        limits.PortBindings.ShouldBeNull();
    }

    [Fact]
    public void Describe_InANetworkOfItsOwn_IsFoundThereByItsName()
    {
        var made = Describe(new NodeNetwork.Named("portal-net"));

        made.HostConfig!.NetworkMode.ShouldBe("portal-net");
        made.NetworkingConfig!.EndpointsConfig!["portal-net"].Aliases.ShouldBe(["notebook"]);
    }

    [Fact]
    public void Describe_InTheHostsNetwork_AsksForNoOther()
    {
        var made = Describe(new NodeNetwork.Host());

        made.HostConfig!.NetworkMode.ShouldBe("host");
        made.NetworkingConfig.ShouldBeNull();
    }

    [Theory]
    [InlineData("/data/../etc")]
    [InlineData("data")]
    public void Check_FolderWithoutAFullPath_IsRefused(string target)
    {
        var node = Node with { Folders = [new FolderPlan(new MountSource.HostPath("/srv/data"), target, ReadOnly: true)] };

        Should.Throw<CloudException>(() => ContainerRecipe.Check(new(Guid.Empty, 1, "10.0.0.0/27", [node]))).Message
            .ShouldBe("Container engine: the plan is not allowed: a folder is not given as a full path.");
    }

    private static CreateContainerParameters Describe(NodeNetwork network, params string[] hosts) => ContainerRecipe.Describe(
        new("portal-notebook", network, Node, new Dictionary<string, string>(), "/etc/portal/passwd", "/etc/portal/group",
            [new("/mnt/0", "/home/student/work", ReadOnly: false)], new("{}", "hash"))
        {
            TmpPercent = 50,
            HomeMib = 64,
            Hosts = hosts,
        });
}
