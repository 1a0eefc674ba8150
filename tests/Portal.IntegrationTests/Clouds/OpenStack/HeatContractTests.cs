using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>Stacks with real servers on a real Heat, Nova and Manila.</summary>
[Trait("Lane", "openstack")]
public sealed class HeatContractTests(StackLab lab) : IClassFixture<StackLab>
{
    private const int Uid = 70_123;
    private const double Boot = 120, Moment = 60;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static ITestOutputHelper Output => TestContext.Current.TestOutputHelper!;
    private Stacks Stacks => lab.Mine.Stacks;

    [Fact]
    public async Task Workspace_FromRuleToNothing_InTheOrderOfARelease()
    {
        var access = await lab.FolderAsync(Uid);
        var subnet = StackLab.NewSubnet();
        var source = await lab.AllowAsync(access, subnet); // before there is any network
        var plan = Plan(access.Workspace, subnet, source, "notebook");
        var key = new StackKey(plan.Workspace, 1);

        await EnsureAsync(plan);

        (await Stacks.EnsureAsync(plan, Cancel)).ShouldBeOfType<EnsureAnswer.Done>("asked again, it is the same");
        var signal = (await Stacks.SignalsAsync(key, Cancel)).ShouldHaveSingleItem();
        (signal.Node, signal.Data).ShouldBe(("notebook", lab.Mine.Names.ServerOf(key, "notebook")));
        IPNetwork.Parse(subnet).Contains(IPAddress.Parse(signal.Address)).ShouldBeTrue();
        await AnswersAsync(signal.Address);
        // This host is also the storage's: the path is here.
        Owner($"{source.Location.Split(':', 2)[1]}/{source.SubPath}").ShouldBe($"{Uid} {Uid} 700 directory");
        var node = (await ClusterAsync(plan.Workspace)).ShouldNotBeNull().Nodes.ShouldHaveSingleItem();
        (node.Name, node.Role, node.State, node.Address, node.Generation).ShouldBe(("notebook", "notebook", NodeState.Running, signal.Address, 1));
        node.StateHash.Length.ShouldBe(16);

        await StopAsync(plan.Workspace, 1);
        (await ClusterAsync(plan.Workspace)).ShouldNotBeNull("the network holds the addresses").HasNetwork.ShouldBeTrue();
        await lab.DenyAsync(access);
        await Eventually.SeesAsync(() => Stacks.DeleteAsync(plan.Workspace, 1, Cancel), a => a is EnsureAnswer.Done, "the stack is gone", Moment);

        (await ClusterAsync(plan.Workspace)).ShouldBeNull();
        (await Stacks.RemoveServersAsync(plan.Workspace, 1, null, Cancel)).ShouldBeOfType<EnsureAnswer.Done>();
        var networks = (await lab.Storage.Mine.Networks.GetAsync("v2.0/networks", Cancel)).GetProperty("networks").GetRawText();
        networks.ShouldNotContain(lab.Mine.Names.NameOf(key));
    }

    [Fact]
    public async Task Rule_Missing_IsBrokenInTheWordsOfMount()
    {
        var access = await lab.FolderAsync(Uid);
        var location = (await lab.Storage.Mine.Manila.ExportsAsync(await lab.ShareAsync(access), Cancel))[0];
        var plan = Plan(access.Workspace, StackLab.NewSubnet(), new MountSource.Export(location, "work"), "notebook");

        var broken = (EnsureAnswer.Broken)await Eventually.SeesAsync(() => AskAsync(plan), a => a is EnsureAnswer.Broken, "it is broken", Boot);

        Output.WriteLine($"{broken.Cause} {broken.Remedy}");
        broken.Cause.ShouldStartWith("The server notebook could not mount its folder: mount.nfs: access denied by server while mounting");
        broken.Remedy.ShouldContain("access rule");
    }

    [Fact]
    public async Task ServerImage_WithoutTheProgram_IsSaidSo()
    {
        await using var services = lab.Open(("Clouds:OpenStack:Servers:Program", "/usr/sbin/portal-of-another-version"));
        var stacks = services.GetRequiredService<ProjectStacksByKey>().Of(OpenStackLab.Projects[0]).Stacks;
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null, "notebook");

        var broken = await Eventually.SeesAsync(() => stacks.EnsureAsync(plan, Cancel), a => a is EnsureAnswer.Broken, "it is broken", Boot);

        ((EnsureAnswer.Broken)broken).Cause.ShouldBe("The server image does not match the portal: it has no /usr/sbin/portal-of-another-version");
    }

    [Fact]
    public async Task Stack_OfManyCallersAtOnce_IsOne()
    {
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null);
        await using var services = lab.Open();
        var another = services.GetRequiredService<ProjectStacksByKey>().Of(OpenStackLab.Projects[0]).Stacks; // another process, with a session of its own
        await another.NowAsync(Cancel);

        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => (i % 2 == 0 ? Stacks : another).EnsureAsync(plan, Cancel)));
        await EnsureAsync(plan);

        // Heat may have made two in the same moment: then one of them is deleted.
        var one = await Eventually.SeesAsync(() => lab.Mine.Heat.NamedAsync(lab.Mine.Names.NameOf(new(plan.Workspace, 1)), Cancel), s => s.Count == 1,
            "there is one", Moment);
        one[0].Status.ShouldBe("CREATE_COMPLETE");
        (await another.EnsureAsync(plan, Cancel)).ShouldBeOfType<EnsureAnswer.Done>();
    }

    [Fact]
    public async Task Servers_ChangedOneByOne_LeaveTheOthersUntouched()
    {
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null, "notebook", "worker0");
        await EnsureAsync(plan);
        var notebook = await ServerAsync(plan.Workspace, "notebook");

        // A worker leaves, another one comes: the address of the notebook, and the notebook, stay.
        await Eventually.SeesAsync(() => Stacks.RemoveServersAsync(plan.Workspace, 1, ["worker0"], Cancel), a => a is EnsureAnswer.Done, "it left", Boot);
        var smaller = plan with { Nodes = [plan.Nodes[0]], KeepsWhatIsThere = true };
        (await Stacks.EnsureAsync(smaller, Cancel)).ShouldBeOfType<EnsureAnswer.Done>();
        await EnsureAsync(Plan(plan.Workspace, plan.Subnet, null, "notebook", "worker1") with { KeepsWhatIsThere = true });

        var same = await ServerAsync(plan.Workspace, "notebook");
        (same.Id, same.Address, same.Status).ShouldBe((notebook.Id, notebook.Address, "ACTIVE"));
        (await ClusterAsync(plan.Workspace))!.Nodes.Select(n => n.Name).ShouldBe(["notebook", "worker1"]);

        // Somebody deletes a server: Heat does not notice, the portal does.
        await DeleteServerAsync((await ServerAsync(plan.Workspace, "worker1")).Id);
        await Eventually.SeesAsync(() => ClusterAsync(plan.Workspace), c => c!.Nodes.Count == 1, "the server is gone", Moment);
        var broken = await AskAsync(Plan(plan.Workspace, plan.Subnet, null, "notebook", "worker1") with { KeepsWhatIsThere = true });
        broken.ShouldBeOfType<EnsureAnswer.Broken>().Cause.ShouldBe("Somebody removed the server worker1 in the cloud.");
        await StopAsync(plan.Workspace, 1);
    }

    [Fact]
    public async Task Stack_DeletedBehindOurBack_IsSeenGoneAndMadeAgain()
    {
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null);
        await EnsureAsync(plan);
        var first = (await Stacks.NowAsync(Cancel)).Stacks.Single(s => s.Key.Workspace == plan.Workspace).Stack;

        await lab.Mine.Heat.DeleteAsync(first, Cancel);
        await Eventually.SeesAsync(() => ClusterAsync(plan.Workspace), c => c is null, "it is seen gone", Moment);

        await EnsureAsync(plan);
        (await Stacks.NowAsync(Cancel)).Stacks.Single(s => s.Key.Workspace == plan.Workspace).Stack.Id.ShouldNotBe(first.Id);
    }

    [Fact]
    public async Task Release_WhileAServerIsBeingCreated_EndsWithNothing()
    {
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null, "notebook");
        await Eventually.SeesAsync(() => AskAsync(plan), a => a is EnsureAnswer.Working { What: "The server notebook is being started." }, "it starts", Boot);

        await StopAsync(plan.Workspace, 1);
        await Eventually.SeesAsync(() => Stacks.DeleteAsync(plan.Workspace, 1, Cancel), a => a is EnsureAnswer.Done, "the stack is gone", Moment);
        (await ClusterAsync(plan.Workspace)).ShouldBeNull();
    }

    /// <summary>As somebody deletes it with OpenStack's own tools: Heat may fail at that, and a second attempt helps.</summary>
    [Fact]
    public async Task Deletion_WhileAServerIsBeingCreated_EndsWithNothing()
    {
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null, "notebook");
        await Eventually.SeesAsync(() => AskAsync(plan), a => a is EnsureAnswer.Working { What: "The server notebook is being started." }, "it starts", Boot);
        await lab.Mine.Heat.DeleteAsync((await Stacks.NowAsync(Cancel)).Stacks.Single(s => s.Key.Workspace == plan.Workspace).Stack, Cancel);

        await Eventually.SeesAsync(() => Stacks.RemoveServersAsync(plan.Workspace, 1, null, Cancel), a => a is EnsureAnswer.Done, "no server is left", Boot);
        await Eventually.SeesAsync(() => Stacks.DeleteAsync(plan.Workspace, 1, Cancel), a => a is EnsureAnswer.Done, "the stack is gone", Moment);
        (await ClusterAsync(plan.Workspace)).ShouldBeNull();
    }

    [Fact]
    public async Task Stack_OfThatName_ThatIsNotOurs_IsNeverTouched()
    {
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null);
        var name = lab.Mine.Names.NameOf(new(plan.Workspace, 1));
        var foreign = new JsonObject
        {
            ["heat_template_version"] = "2021-04-16",
            ["resources"] = new JsonObject { ["a"] = new JsonObject { ["type"] = "OS::Heat::None" } },
        };
        await lab.Mine.Heat.CreateAsync(name, ["of-somebody-else"], foreign, TimeSpan.FromMinutes(5), Cancel);
        await Eventually.SeesAsync(() => lab.Mine.Heat.NamedAsync(name, Cancel), s => s.All(one => one.IsComplete), "it is created", Moment);

        try
        {
            var fault = await Should.ThrowAsync<CloudException>(() => Stacks.EnsureAsync(plan, Cancel));
            fault.Fault.ShouldBe(CloudFault.Conflict);
            fault.Message.ShouldContain("that the portal did not make");
            (await Stacks.DeleteAsync(plan.Workspace, 1, Cancel)).ShouldBeOfType<EnsureAnswer.Done>();
            (await lab.Mine.Heat.NamedAsync(name, Cancel)).ShouldHaveSingleItem("it is still there");
        }
        finally
        {
            foreach (var stack in await lab.Mine.Heat.NamedAsync(name, Cancel)) await lab.Mine.Heat.DeleteAsync(stack, Cancel);
        }
    }

    [Fact]
    public async Task Projects_SeeNothingOfEachOther()
    {
        var plan = Plan(CloudLab.New(), StackLab.NewSubnet(), null);
        await EnsureAsync(plan);
        var stack = (await Stacks.NowAsync(Cancel)).Stacks.Single(s => s.Key.Workspace == plan.Workspace).Stack;

        (await lab.Other.Stacks.NowAsync(Cancel)).Stacks.ShouldBeEmpty();
        (await lab.Other.Stacks.DeleteAsync(plan.Workspace, 1, Cancel)).ShouldBeOfType<EnsureAnswer.Done>();
        (await lab.Other.Heat.StackAsync(stack, Cancel)).ShouldBeNull();
        await lab.Other.Heat.DeleteAsync(stack, Cancel);

        (await Stacks.EnsureAsync(plan, Cancel)).ShouldBeOfType<EnsureAnswer.Done>("the other project changed nothing");
    }

    [Fact]
    public async Task Cloud_SaysFlavorsImageAndQuotas()
    {
        var machines = await lab.Mine.Nova.MachinesAsync(Cancel);

        machines.Flavors.Select(f => f.Vcpu).ShouldContain(1);
        Guid.TryParse(await lab.Mine.Nova.ImageAsync(Cancel), out _).ShouldBeTrue();
        (await lab.Mine.Nova.QuotasAsync(Cancel)).Vcpus.Limit.ShouldNotBe(0);
    }

    private static ClusterPlan Plan(Guid workspace, string subnet, MountSource? work, params string[] nodes) => new(workspace, 1, subnet,
    [
        .. nodes.Select(n => new NodePlan(n, n.TrimEnd('0', '1', '2'), "sha256:" + new string('a', 64), Uid, [], new Dictionary<string, string>(),
            new Dictionary<string, string> { ["TOKEN"] = "correct-horse" }, work is null ? [] : [new(work, "/home/student/work", false)], 512, 0.5)),
    ]);

    private async Task EnsureAsync(ClusterPlan plan) =>
        await Eventually.SeesAsync(() => AskAsync(plan), a => a is EnsureAnswer.Done, "the stack is as planned", Boot);

    private async Task<EnsureAnswer> AskAsync(ClusterPlan plan)
    {
        var answer = await Stacks.EnsureAsync(plan, Cancel);
        Output.WriteLine($"{answer}");
        await Task.Delay(200, Cancel);
        return answer;
    }

    /// <summary>Until no server is left; none goes before it was seen off.</summary>
    private async Task StopAsync(Guid workspace, int generation)
    {
        var seen = new List<string>();
        await Eventually.SeesAsync(async () =>
        {
            var answer = await Stacks.RemoveServersAsync(workspace, generation, null, Cancel);
            var servers = await lab.Mine.Nova.ServersAsync(lab.Mine.Names, new(workspace, generation), Cancel);
            var state = $"{string.Join(',', servers.Select(s => s.Status))}: {answer}";
            if (seen.Count == 0 || seen[^1] != state) seen.Add(state);
            return answer;
        }, a => a is EnsureAnswer.Done, "no server is left", Boot);
        foreach (var state in seen) Output.WriteLine(state);
        if (seen.Exists(s => s.StartsWith("ACTIVE", StringComparison.Ordinal)))
            seen.FindIndex(s => s.Contains("are being removed", StringComparison.Ordinal))
                .ShouldBeGreaterThan(seen.FindIndex(s => s.Contains("shutting down", StringComparison.Ordinal)));
        seen.ShouldNotContain(s => s.StartsWith("ACTIVE", StringComparison.Ordinal) && s.Contains("are being removed", StringComparison.Ordinal));
    }

    private async Task<ClusterStatus?> ClusterAsync(Guid workspace) =>
        (await Stacks.NowAsync(Cancel)).Clusters().SingleOrDefault(c => c.Workspace == workspace);

    private async Task<NovaServer> ServerAsync(Guid workspace, string node) =>
        (await lab.Mine.Nova.ServersAsync(lab.Mine.Names, new(workspace, 1), Cancel)).Single(s => s.Metadata[HeatNames.Node] == node);

    private async Task DeleteServerAsync(string id) => (await lab.Storage.Mine.Servers.SendAsync(HttpMethod.Delete, $"servers/{id}", null, Cancel)).Must();

    /// <summary>Nothing listens there; that this is said at once means that the server is reached.</summary>
    private static async Task AnswersAsync(string address)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        (await Should.ThrowAsync<SocketException>(async () => await socket.ConnectAsync(IPAddress.Parse(address), 9, soon.Token)))
            .SocketErrorCode.ShouldBe(SocketError.ConnectionRefused);
    }

    private static string Owner(string path)
    {
        using var stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%u %g %a %F", path]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        return stat.StandardOutput.ReadToEnd().Trim();
    }
}
