using System.Net;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.LocalStorage;

namespace Portal.Tests.Clouds;

/// <summary>Text that the cloud adapters parse and produce, without any cloud.</summary>
public sealed class CloudTextTests
{
    private const string Moby = """
        {"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
          {"names":["read","ioctl","write","socket","socketcall","socketpair","io_uring_setup"],"action":"SCMP_ACT_ALLOW","args":null,"includes":{}},
          {"names":["ioctl"],"action":"SCMP_ACT_ALLOW"},
          {"names":["unshare","mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
          {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]}]}
        """;

    [Fact]
    public void Profile_OfMobysBase_AllowsIoctlOnlyByBitsAndForCopies()
    {
        var rules = System.Text.Json.Nodes.JsonNode.Parse(SeccompProfile.From(Moby).Json)!["syscalls"]!.AsArray();
        var ioctl = rules.Where(r => r!["names"]!.AsArray().Any(n => (string?)n == "ioctl")).ToList();

        ioctl.Count.ShouldBe(11);
        ioctl.ShouldAllBe(r => r!["args"]!.AsArray().Count == 1 && (string?)r["args"]![0]!["op"] == "SCMP_CMP_MASKED_EQ");
        bool Allowed(uint request) => ioctl.Any(r => (request & (uint)r!["args"]![0]!["value"]!) == (uint)r["args"]![0]!["valueTwo"]!);
        for (var number = 0u; number < 256; number++)
        {
            foreach (var direction in new[] { 0u, 0x40000000u, 0x80000000u, 0xC0000000u })
            {
                var request = direction | 0x10009400u | number;
                Allowed(request).ShouldBeFalse($"{request:x}");
                Allowed(request ^ 0x100u).ShouldBeTrue($"{request ^ 0x100u:x}");
            }
        }

        Allowed(0x40049409).ShouldBeTrue();
        Allowed(0x541B).ShouldBeTrue();
    }

    [Fact]
    public void Profile_OfMobysBase_AllowsSocketsByFamilyAndNoRings()
    {
        var rules = System.Text.Json.Nodes.JsonNode.Parse(SeccompProfile.From(Moby).Json)!["syscalls"]!.AsArray();
        var names = rules.SelectMany(r => r!["names"]!.AsArray().Select(n => (string?)n)).ToList();

        names.ShouldContain("read");
        names.ShouldNotContain("io_uring_setup");
        names.ShouldNotContain("socketcall");
        foreach (var call in new[] { "socket", "socketpair" })
        {
            var conditions = rules.Where(r => r!["names"]!.AsArray().Any(n => (string?)n == call)).Select(r => r!["args"]!.AsArray().Single()!).ToList();
            conditions.ShouldAllBe(c => (int?)c["index"] == 0 && (string?)c["op"] == "SCMP_CMP_MASKED_EQ");
            bool Allowed(ulong family) => conditions.Any(c => (family & (ulong)c["value"]!) == (ulong)c["valueTwo"]!);
            Enumerable.Range(0, 64).Where(f => Allowed((ulong)f)).ShouldBe([1, 2, 10, 16]);
            Allowed(0x100000028).ShouldBeFalse("AF_VSOCK under bits that the kernel ignores");
        }
    }

    [Theory]
    [InlineData("""{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}""")]
    [InlineData("""{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["ioctl","unshare","clone"],"action":"SCMP_ACT_ALLOW"}]}""")]
    [InlineData("""{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_ALLOW"}]}""")]
    [InlineData("[]")]
    public void Profile_OfAnotherBase_IsRefused(string json) =>
        Should.Throw<CloudException>(() => SeccompProfile.From(json)).Fault.ShouldBe(CloudFault.Refused);

    [Theory]
    [InlineData("t123456789", true)]
    [InlineData("1123456789", false)]
    [InlineData("T123456789", false)]
    [InlineData("t12345678", false)]
    [InlineData("t12345678;", false)]
    [InlineData("", false)]
    public void Owned_Id_IsTenPlainCharacters(string id, bool well) => (Record.Exception(() => new Owned(id)) is null).ShouldBe(well);

    [Fact]
    public void Owned_Bridge_FitsTheKernelAndBeginsWithThePrefix()
    {
        var owned = new Owned("tabcdefghi");
        var bridge = owned.Bridge(owned.Network(Guid.Parse("0193a5a5-0000-7000-8000-000000000001"), 12));
        bridge.Length.ShouldBeLessThanOrEqualTo(15);
        bridge.ShouldStartWith("ptabcd");
        owned.BuildBridge.ShouldNotStartWith(owned.BridgePrefix);
    }

    [Fact]
    public void StateHash_MindsEverythingButSecrets()
    {
        var profile = new SeccompProfile("{}", "p");
        var node = new NodePlan("notebook", "notebook", "sha256:" + new string('a', 64), 300_000, ["run"],
            new Dictionary<string, string> { ["A"] = "1", ["B"] = "2" },
            new Dictionary<string, string> { ["TOKEN"] = "x" }, [new FolderPlan(new MountSource.HostPath("/a"), "/b", false)], 512, 1);
        var plan = new ClusterPlan(Guid.Empty, 1, "10.0.0.0/27", [node]);
        string Hash(NodePlan n, ClusterPlan? p = null) => NodeRecipe.StateHash(p ?? plan, n, profile);

        Hash(node with { Secrets = new Dictionary<string, string> { ["TOKEN"] = "y" } }).ShouldBe(Hash(node));
        Hash(node with { Environment = new Dictionary<string, string> { ["B"] = "2", ["A"] = "1" } }).ShouldBe(Hash(node));
        NodePlan[] others = [node with { MemoryMib = 513 }, node with { Vcpus = 2 }, node with { Pids = 99 }, node with { Uid = 300_001 },
            node with { Command = ["ru", "n"] }, node with { Image = "sha256:" + new string('b', 64) },
            node with { Folders = [new FolderPlan(new MountSource.HostPath("/a"), "/b", true)] },
            node with { Environment = new Dictionary<string, string> { ["A"] = "1" } },
            node with { Secrets = new Dictionary<string, string>() }, node with { Role = "worker" }];
        others.Select(n => Hash(n))
            .Append(Hash(node, plan with { Generation = 2 }))
            .Append(Hash(node, plan with { Subnet = "10.0.0.32/27" }))
            .Append(Hash(node))
            .ShouldBeUnique();
    }

    /// <summary>Containers of running workspaces carry hashes of earlier versions of the portal.</summary>
    [Fact]
    public void StateHash_OfTheSameNode_IsTheSameInEveryVersionOfThePortal()
    {
        var node = new NodePlan("notebook", "notebook", "sha256:" + new string('a', 64), 300_001, ["start-notebook"],
            new Dictionary<string, string> { ["B"] = "2", ["A"] = "1" }, new Dictionary<string, string> { ["TOKEN"] = "x" },
            [new(new MountSource.HostPath("/srv/work"), "/home/student/work", ReadOnly: false),
                new(new MountSource.HostPath("/srv/data"), "/data/set", ReadOnly: true)],
            512, 0.5);
        var plan = new ClusterPlan(Guid.Parse("0193a5a5-0000-7000-8000-000000000001"), 3, "10.213.0.32/27", [node]);

        NodeRecipe.StateHash(plan, node, new("{}", "0123456789abcdef")).ShouldBe("082c3f80bc3492d6");
    }

    [Fact]
    public void LogLines_ColoursAndControls_AreGoneAndLongOnesCut()
    {
        ForeignText.Lines("\u001b[31mred\u001b[0m\n\nbar 10%\rbar 100%\n\u0007bell\u001b]0;title\u0007x\n" + new string('y', 5000) + "\nlast", 4)
            .ShouldBe(["bar 100%", "\uFFFDbellx", new string('y', 2000) + " …", "last"]);
    }

    [Fact]
    public void Routes_OfTheKernel_AreRangesWithoutDefaultAndOwnBridges()
    {
        string[] table = ["Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
            "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
            "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0", "ptabcd01234567\t0000D50A\t00000000\t0001\t0\t0\t0\tE0FFFFFF\t0\t0\t0",
            "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0"];
        HostRanges.Routes(table, "ptabcd").ShouldBe(["192.0.2.0/24", "172.17.0.0/16"]);
    }

    [Theory]
    [InlineData(404, """{"message":"No such image: x"}""", CloudFault.Missing)]
    [InlineData(409, """{"message":"removal of container x is already in progress"}""", CloudFault.Conflict)]
    [InlineData(403, """{"message":"Pool overlaps with other one on this address space"}""", CloudFault.AddressesTaken)]
    [InlineData(400, """{"message":"invalid pool request: Pool overlaps with other one on this address space"}""", CloudFault.AddressesTaken)]
    [InlineData(403, """{"message":"error while removing network: has active endpoints"}""", CloudFault.Conflict)]
    [InlineData(500, """{"message":"write /x: no space left on device"}""", CloudFault.Full)]
    [InlineData(500, """{"message":"could not find an available, non-overlapping IPv4 address pool"}""", CloudFault.Full)]
    [InlineData(400, """{"message":"invalid mount config"}""", CloudFault.Refused)]
    [InlineData(500, "not json", CloudFault.Broken)]
    public void Fault_OfAnAnswer_GoesByItsWords(int status, string body, CloudFault fault)
    {
        var made = ContainerEngineFaults.FromAnswer((HttpStatusCode)status, ContainerEngineFaults.MessageOf(body));
        made.Fault.ShouldBe(fault);
        made.WhatToDo.ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData("", "", true)]
    [InlineData("/a/shares", "/run/mounts", true)]
    [InlineData("/a/shares", "", false)]
    [InlineData("/a/shares", "/a/shares/mounts", false)]
    [InlineData("/a/../shares", "/run/mounts", false)]
    [InlineData("/a/shares/", "/run/mounts", false)]
    [InlineData("shares", "/run/mounts", false)]
    public void StorageOptions_AreFullPathsApart(string folder, string mounts, bool well) =>
        new LocalStorageOptionsCheck().Validate(null, new LocalStorageOptions { Folder = folder, Mounts = mounts }).Succeeded.ShouldBe(well);
}
