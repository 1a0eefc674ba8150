using System.Collections.Concurrent;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>The container engine goes away, comes back, is missing, is shared.</summary>
public sealed class ContainerEngineUnavailableTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Events_OverACut_TellUnavailableLookAgainAndWhatHappenedMeanwhileOnce()
    {
        await using var relay = SocketRelay.Start(CloudLab.Variable("PORTAL_TEST_CONTAINER_ENGINE"));
        await using var lab = CloudLab.Open(("Clouds:Docker:Socket", relay.Path));
        var plan = await lab.PlanAsync(nodes: [await lab.NodeAsync(), await lab.NodeAsync("worker0")]);
        await lab.Clusters.EnsureAsync(plan, Cancel);
        var happened = new ConcurrentQueue<ClusterEvent>();
        using var listening = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var listener = Task.Run(async () =>
        {
            await foreach (var e in lab.Clusters.EventsAsync(listening.Token))
            {
                happened.Enqueue(e);
            }
        }, Cancel);
        await SeenAsync(e => e.What == ClusterHappening.LookAgain, "listening");

        await relay.CutAsync();
        await SeenAsync(e => e.What == ClusterHappening.Unavailable, "away");
        var unavailable = await Should.ThrowAsync<CloudException>(() => lab.Clusters.LookAsync(Cancel));
        using (var direct = new ContainerEngine(new EngineAddress.Socket(CloudLab.Variable("PORTAL_TEST_CONTAINER_ENGINE"))))
        {
            await direct.CallAsync(c =>
                c.Containers.KillContainerAsync(lab.Owned.Container(plan.Workspace, 1, "worker0"), new ContainerKillParameters { Signal = "KILL" },
                    Cancel), Cancel);
        }

        relay.Restore();
        await SeenAsync(e => e is { What: ClusterHappening.Died, Node: "worker0" }, "the death that nobody heard");

        unavailable.Fault.ShouldBe(CloudFault.Unavailable);
        unavailable.WhatToDo.ShouldNotBeEmpty();
        happened.Count(e => e is { What: ClusterHappening.Died, Node: "worker0" }).ShouldBe(1);
        happened.Single(e => e is { What: ClusterHappening.Died, Node: "worker0" })
            .ShouldBe(new ClusterEvent(ClusterHappening.Died, plan.Workspace, "worker0", 137, 1));
        var order = happened.Select(e => e.What).ToList();
        order.LastIndexOf(ClusterHappening.LookAgain).ShouldBeGreaterThan(order.IndexOf(ClusterHappening.Unavailable));
        order.LastIndexOf(ClusterHappening.LookAgain).ShouldBeLessThan(order.IndexOf(ClusterHappening.Died));
        (await lab.Clusters.LookAsync(plan.Workspace, Cancel))!.Nodes.Single(n => n.Name == "worker0").ExitCode.ShouldBe(137);
        await listening.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => listener);

        Task SeenAsync(Func<ClusterEvent, bool> match, string what) => Eventually.HoldsAsync(() => Task.FromResult(happened.Any(match)), what);
    }

    [Fact]
    public async Task ContainerEngine_NotThere_IsUnavailableWithWords()
    {
        await using var lab = CloudLab.Open();
        using var nowhere = new ContainerEngine(new EngineAddress.Socket($"/run/portal-test-{lab.Id}/no.sock"));
        var fault = await Should.ThrowAsync<CloudException>(() => nowhere.VersionAsync(Cancel));
        fault.Fault.ShouldBe(CloudFault.Unavailable);
        fault.MayPass.ShouldBeTrue();
        fault.Message.ShouldContain("does not exist");
        fault.WhatToDo.ShouldContain("Start the container engine");
    }

    [Fact]
    public async Task ContainerEngine_CutInTheMiddleOfEnsure_IsUnavailableAndTheNextEnsureMakesItWhole()
    {
        await using var relay = SocketRelay.Start(CloudLab.Variable("PORTAL_TEST_CONTAINER_ENGINE"));
        await using var lab = CloudLab.Open(("Clouds:Docker:Socket", relay.Path));
        await lab.Clusters.PrepareAsync(Cancel);
        foreach (var cut in new[] { 1, 3, 5, 8 })
        {
            var plan = await lab.PlanAsync(nodes: [await lab.NodeAsync(), await lab.NodeAsync("worker0")]);
            relay.CutAfter(bytes: cut * 6000); // each create sends some 25 KB of profile: the cuts fall before, within and after them
            var first = await Record.ExceptionAsync(() => lab.Clusters.EnsureAsync(plan, Cancel));
            relay.Restore();

            // The call that was cut may still be running inside the container engine and hold a name: that is a temporary conflict.
            await Eventually.HoldsAsync(async () => (await Record.ExceptionAsync(() => lab.Clusters.EnsureAsync(plan, Cancel))) switch
            {
                null => true,
                CloudException { Fault: CloudFault.Conflict } => false,
                var e => throw e,
            }, "made whole");

            first?.ShouldBeOfType<CloudException>();
            var now = (await lab.Clusters.LookAsync(plan.Workspace, Cancel))!;
            now.Nodes.Select(n => n.Name).ShouldBe(["notebook", "worker0"]);
            now.Nodes.ShouldAllBe(n => n.State == NodeState.Running);
            (await lab.Get<Networks>().ListAsync(lab.Owned.Mine(plan.Workspace), Cancel)).Count.ShouldBe(1);
            await lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
            await lab.Clusters.RemoveNetworkAsync(plan.Workspace, CloudLab.Every, Cancel);
        }
    }

    [Fact]
    public async Task NoEngineNamed_EveryCallSaysWhatIsMissing()
    {
        await using var lab = CloudLab.Open();
        var cloud = new NoClusterCloud();
        var plan = await lab.PlanAsync();
        Func<Task>[] calls = [() => cloud.PrepareAsync(Cancel), () => cloud.EnsureAsync(plan, Cancel), () => cloud.LookAsync(Cancel),
            () => cloud.LookAsync(plan.Workspace, Cancel), () => cloud.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel),
            () => cloud.RemoveNetworkAsync(plan.Workspace, CloudLab.Every, Cancel), () => cloud.SamplesAsync(Cancel),
            () => cloud.LogTailAsync(plan.Workspace, "notebook", 5, Cancel), () => cloud.ForeignRangesAsync(Cancel)];
        foreach (var call in calls)
        {
            (await Should.ThrowAsync<CloudException>(call)).WhatToDo.ShouldContain("docker.io");
        }
    }

    [Fact]
    public async Task TwoInstallations_OnOneEngine_DoNotSeeOrTouchEachOther()
    {
        await using var one = CloudLab.Open();
        await using var two = CloudLab.Open();
        var workspace = CloudLab.New(); // even the same id
        var (first, second) = (await one.PlanAsync(workspace), await two.PlanAsync(workspace));
        await one.Clusters.EnsureAsync(first, Cancel);
        await two.Clusters.EnsureAsync(second, Cancel);

        (await one.Clusters.LookAsync(Cancel)).ShouldHaveSingleItem().Nodes.ShouldHaveSingleItem();
        (await one.Clusters.ForeignRangesAsync(Cancel)).ShouldContain(second.Subnet);
        (await one.Clusters.ForeignRangesAsync(Cancel)).ShouldNotContain(first.Subnet);
        await one.Clusters.RemoveNodesAsync(workspace, CloudLab.Every, Cancel);
        await one.Clusters.RemoveNetworkAsync(workspace, CloudLab.Every, Cancel);

        (await one.Clusters.LookAsync(Cancel)).ShouldBeEmpty();
        (await two.Clusters.LookAsync(workspace, Cancel))!.Nodes.ShouldHaveSingleItem().State.ShouldBe(NodeState.Running);
        (await two.Clusters.SamplesAsync(Cancel)).ShouldHaveSingleItem().Workspace.ShouldBe(workspace);
    }
}
