using System.Collections.Concurrent;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>The guarantees of Ensure: check, then create; never twice, never half.</summary>
public sealed class EnsureTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ensure_Twice_ChangesNothing()
    {
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(), await Lab.NodeAsync("worker0")]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var before = await IdsAsync(plan);
        using var listening = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var happened = new ConcurrentQueue<ClusterEvent>();
        var ready = new TaskCompletionSource();
        var listener = Task.Run(async () =>
        {
            await foreach (var e in Lab.Clusters.EventsAsync(listening.Token))
            {
                happened.Enqueue(e);
                ready.TrySetResult();
            }
        }, Cancel);
        await ready.Task;

        await Lab.Clusters.EnsureAsync(plan, Cancel);
        // A later event of another workspace proves that the stream had time to deliver any event of this one.
        var marker = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(marker, Cancel);
        await Eventually.HoldsAsync(() => Task.FromResult(happened.Any(e => e.What == ClusterHappening.Started && e.Workspace == marker.Workspace)),
            "the marker's start");

        (await IdsAsync(plan)).ShouldBe(before);
        happened.Count(e => e.Workspace == plan.Workspace && e.What != ClusterHappening.Started).ShouldBe(0);
        await listening.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => listener);
    }

    [Fact]
    public async Task Ensure_SecretChanged_IsTheSameState()
    {
        var node = await Lab.NodeAsync() with { Secrets = new Dictionary<string, string> { ["TOKEN"] = "one" } };
        var plan = await Lab.PlanAsync(nodes: node);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var before = await IdsAsync(plan);

        await Lab.Clusters.EnsureAsync(plan with { Nodes = [node with { Secrets = new Dictionary<string, string> { ["TOKEN"] = "two" } }] }, Cancel);

        (await IdsAsync(plan)).ShouldBe(before);
        (await Lab.InsideAsync(plan, "notebook", "printenv", "TOKEN")).Output.ShouldBe("one");
    }

    [Fact]
    public async Task Ensure_OtherMemory_ReplacesTheNode()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var before = await IdsAsync(plan);

        await Lab.Clusters.EnsureAsync(plan with { Nodes = [plan.Nodes[0] with { MemoryMib = 300 }] }, Cancel);

        var now = await IdsAsync(plan);
        now.Length.ShouldBe(1);
        now.ShouldNotBe(before);
        (await Lab.Clusters.SamplesAsync(Cancel)).Single(s => s.Workspace == plan.Workspace).MemoryLimitBytes.ShouldBe(300L << 20);
    }

    [Fact]
    public async Task Ensure_HalfMadeContainerOfAnotherPlan_IsReplaced()
    {
        // A worker was killed between create and start, and the plan changed since: same name, other state.
        var plan = await Lab.PlanAsync();
        var older = plan with { Nodes = [plan.Nodes[0] with { Vcpus = 0.5 }] };
        var profile = await SeccompProfile.LoadAsync(CloudLab.Variable("PORTAL_TEST_SECCOMP"), "PORTAL_TEST_SECCOMP", Cancel);
        var half = await Lab.ContainerEngine.CreateAsync(await HalfMadeAsync(older, profile), Cancel);

        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var now = await Lab.Clusters.LookAsync(plan.Workspace, Cancel);
        now!.Nodes.ShouldHaveSingleItem().State.ShouldBe(NodeState.Running);
        now.Nodes[0].StateHash.ShouldBe(NodeRecipe.StateHash(plan, plan.Nodes[0], profile));
        (await IdsAsync(plan)).ShouldNotContain(half);
    }

    [Fact]
    public async Task Ensure_HalfMadeContainerOfThisPlan_IsStarted()
    {
        var plan = await Lab.PlanAsync();
        var profile = await SeccompProfile.LoadAsync(CloudLab.Variable("PORTAL_TEST_SECCOMP"), "PORTAL_TEST_SECCOMP", Cancel);
        var half = await Lab.ContainerEngine.CreateAsync(await HalfMadeAsync(plan, profile), Cancel);
        (await Lab.Clusters.LookAsync(plan.Workspace, Cancel))!.Nodes.ShouldHaveSingleItem().State.ShouldBe(NodeState.Created);

        await Lab.Clusters.EnsureAsync(plan, Cancel);

        (await IdsAsync(plan)).ShouldBe([half]);
        (await Lab.Clusters.LookAsync(plan.Workspace, Cancel))!.Nodes.ShouldHaveSingleItem().State.ShouldBe(NodeState.Running);
    }

    [Fact]
    public async Task Ensure_NewGeneration_LeavesNothingOfTheOlder()
    {
        var first = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(), await Lab.NodeAsync("worker0")]);
        await Lab.Clusters.EnsureAsync(first, Cancel);
        var second = first with { Generation = 2, Nodes = [first.Nodes[0]] };

        await Lab.Clusters.EnsureAsync(second, Cancel);

        var now = await Lab.Clusters.LookAsync(first.Workspace, Cancel);
        now!.Nodes.ShouldHaveSingleItem().Generation.ShouldBe(2);
        (await Lab.Get<Networks>().ListAsync(Lab.Owned.Mine(first.Workspace), Cancel)).ShouldHaveSingleItem().Name.ShouldBe(
            Lab.Owned.Network(first.Workspace, 2));
    }

    [Fact]
    public async Task Ensure_OlderGenerationThanThere_IsRefusedAndTouchesNothing()
    {
        var newer = await Lab.PlanAsync(generation: 2);
        await Lab.Clusters.EnsureAsync(newer, Cancel);
        var before = await IdsAsync(newer);

        var fault = await Should.ThrowAsync<CloudException>(() => Lab.Clusters.EnsureAsync(newer with { Generation = 1 }, Cancel));

        fault.Fault.ShouldBe(CloudFault.Conflict);
        (await IdsAsync(newer)).ShouldBe(before);
    }

    [Fact]
    public async Task Ensure_NodeThatEnded_StaysEndedAndIsSeen()
    {
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(command: ["sh", "-c", "echo to stdout; echo the cause >&2; exit 7"]));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var ended = await Eventually.SeesAsync(async () => (await Lab.Clusters.LookAsync(plan.Workspace, Cancel))!.Nodes.Single(),
            n => n.State == NodeState.Exited, "the end");

        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var again = (await Lab.Clusters.LookAsync(plan.Workspace, Cancel))!.Nodes.ShouldHaveSingleItem();
        again.ShouldBe(ended);
        again.ExitCode.ShouldBe(7);
        again.OutOfMemory.ShouldBeFalse();
        (await Lab.Clusters.LogTailAsync(plan.Workspace, "notebook", 10, Cancel)).ShouldBe(["to stdout", "the cause"], ignoreOrder: true);
    }

    [Fact]
    public async Task Ensure_CommandThatIsNotThere_IsRefusedWithWords()
    {
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(image: await Lab.BaseAsync(), command: ["no-such-program"]));

        var fault = await Should.ThrowAsync<CloudException>(() => Lab.Clusters.EnsureAsync(plan, Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("no-such-program");
        fault.WhatToDo.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Ensure_ImageThatIsNotThere_IsMissingWithWords()
    {
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(image: "sha256:" + new string('0', 64)));
        (await Lab.Clusters.PrepareAsync(Cancel)).Vcpus.ShouldBePositive(); // the probe, with an image that exists

        var fault = await Should.ThrowAsync<CloudException>(() => Lab.Clusters.EnsureAsync(plan, Cancel));

        fault.Fault.ShouldBe(CloudFault.Missing);
        fault.WhatToDo.ShouldContain("image");
    }

    [Fact]
    public async Task Ensure_SubnetOfAnotherWorkspace_IsAddressesTaken()
    {
        var one = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(one, Cancel);

        var fault = await Should.ThrowAsync<CloudException>(() => Lab.Clusters.EnsureAsync(one with { Workspace = CloudLab.New() }, Cancel));

        fault.Fault.ShouldBe(CloudFault.AddressesTaken);
    }

    [Theory]
    [InlineData("../etc")]
    [InlineData("Notebook")]
    [InlineData("a b")]
    [InlineData("")]
    public async Task Ensure_HostileNodeName_IsRefusedBeforeTheEngineIsAsked(string name)
    {
        var fault = await Should.ThrowAsync<CloudException>(async () =>
            await Lab.Clusters.EnsureAsync(await Lab.PlanAsync(nodes: await Lab.NodeAsync(name)), Cancel));
        fault.Fault.ShouldBe(CloudFault.Refused);
    }

    [Fact]
    public async Task Ensure_HostsUidOrTagInsteadOfId_IsRefused()
    {
        var plan = await Lab.PlanAsync();
        (await Should.ThrowAsync<CloudException>(() =>
            Lab.Clusters.EnsureAsync(plan with { Nodes = [plan.Nodes[0] with { Uid = 0 }] }, Cancel))).Fault.ShouldBe(CloudFault.Refused);
        (await Should.ThrowAsync<CloudException>(() =>
            Lab.Clusters.EnsureAsync(plan with { Nodes = [plan.Nodes[0] with { Image = "portal/python:dev" }] }, Cancel))).Fault.ShouldBe(CloudFault.Refused);
        var dotted = new FolderPlan(new MountSource.HostPath("/tmp/../etc"), "/mnt", false);
        (await Should.ThrowAsync<CloudException>(() =>
            Lab.Clusters.EnsureAsync(plan with { Nodes = [plan.Nodes[0] with { Folders = [dotted] }] }, Cancel))).Fault.ShouldBe(CloudFault.Refused);
        var export = new FolderPlan(new MountSource.Export("10.0.0.9:/share", "folder"), "/mnt", false);
        (await Should.ThrowAsync<CloudException>(() =>
            Lab.Clusters.EnsureAsync(plan with { Nodes = [plan.Nodes[0] with { Folders = [export] }] }, Cancel))).Fault.ShouldBe(CloudFault.Refused);
        (await Lab.Clusters.LookAsync(plan.Workspace, Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Remove_TwoAtOnce_LeavesNothingAndAskedPolitely()
    {
        var plan = await Lab.PlanAsync(
            nodes: [await Lab.NodeAsync(
                command: ["python3", "-c",
                    "import signal,sys,time; signal.signal(15, lambda *a: sys.exit(0)); print('up', flush=True); time.sleep(600)"]),
                await Lab.NodeAsync("worker0")]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await Eventually.HoldsAsync(async () => (await Lab.Clusters.LogTailAsync(plan.Workspace, "notebook", 1, Cancel)).Contains("up"), "the program");

        await Should.ThrowAsync<CloudException>(() => Lab.Clusters.RemoveNetworkAsync(plan.Workspace, CloudLab.Every, Cancel));
        await Task.WhenAll(Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel),
            Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel));
        var held = await Eventually.SeesAsync(() => Lab.Clusters.LookAsync(plan.Workspace, Cancel), c => c is { Nodes.Count: 0 }, "no node");
        held!.HasNetwork.ShouldBeTrue();
        await Task.WhenAll(Lab.Clusters.RemoveNetworkAsync(plan.Workspace, CloudLab.Every, Cancel),
            Lab.Clusters.RemoveNetworkAsync(plan.Workspace, CloudLab.Every, Cancel));

        (await Lab.Clusters.LookAsync(plan.Workspace, Cancel)).ShouldBeNull();
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        await Lab.Clusters.RemoveNetworkAsync(plan.Workspace, CloudLab.Every, Cancel);
    }

    [Fact]
    public async Task Remove_OfAnOlderGenerationThatComesLate_TouchesNothingNewer()
    {
        var plan = await Lab.PlanAsync(generation: 3);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var before = await IdsAsync(plan);

        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, 2, Cancel);
        await Lab.Clusters.RemoveNetworkAsync(plan.Workspace, 2, Cancel);

        (await IdsAsync(plan)).ShouldBe(before);
        (await Lab.Clusters.LookAsync(plan.Workspace, Cancel))!.HasNetwork.ShouldBeTrue();
    }

    private async Task<string[]> IdsAsync(ClusterPlan plan) =>
        [.. (await Lab.ContainerEngine.ListAsync(Lab.Owned.Mine(plan.Workspace), Cancel)).Select(c => c.ID).Order(StringComparer.Ordinal)];

    private async Task<CreateContainerParameters> HalfMadeAsync(ClusterPlan plan, SeccompProfile profile)
    {
        var network = Lab.Owned.Network(plan.Workspace, plan.Generation);
        await Lab.Get<Networks>().CreateAsync(network, Lab.Owned.Bridge(network), plan.Subnet, egress: false,
            Lab.Owned.Labels(plan.Workspace, plan.Generation), Cancel);
        return Lab.Get<NodeRecipe>().Describe(plan, plan.Nodes[0], profile);
    }
}
