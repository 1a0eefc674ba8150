using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>The container engine's own account of a node, beside the kernel's files.</summary>
public sealed class EngineSamplesTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Read_OfANodeThatHasWorked_SaysWhatTheKernelsFilesSay()
    {
        // Uses its processor until it is throttled, leaves page cache and memory behind, and then rests.
        string[] work = ["sh", "-c", "perl -e '$x = q(m) x (24 << 20); $end = time + 3; 1 while time < $end; $| = 1; print qq(rests\\n); sleep'"];
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(image: await Lab.BaseAsync(), vcpus: 0.25, memoryMib: 128, command: work)]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var container = (await Lab.ContainerEngine.ListAsync(Lab.Owned.Mine(plan.Workspace), Cancel)).ShouldHaveSingleItem();
        await Eventually.HoldsAsync(async () => (await Lab.Clusters.LogTailAsync(plan.Workspace, "notebook", 1, Cancel)).Contains("rests"), "it rests");
        var kernel = CgroupFiles.Find(container.ID).ShouldNotBeNull();

        var before = kernel.Read().ShouldNotBeNull();
        var sample = (await EngineSamples.ReadAsync(Lab.ContainerEngine, container, TimeProvider.System, Cancel)).ShouldNotBeNull();
        var after = kernel.Read().ShouldNotBeNull();

        (sample.Workspace, sample.Node, sample.Generation, sample.Vcpus).ShouldBe((plan.Workspace, "notebook", 1, 0.25));
        sample.Cpu.ShouldBeInRange(before.Cpu, after.Cpu);
        sample.Cpu.ShouldBeGreaterThan(TimeSpan.FromMilliseconds(100));
        sample.Throttled.ShouldBeInRange(before.Throttled, after.Throttled);
        sample.Throttled.ShouldBeGreaterThan(TimeSpan.Zero);
        sample.MemoryBytes.ShouldBeInRange(before.MemoryBytes - (1 << 20), after.MemoryBytes + (1 << 20));
        sample.MemoryBytes.ShouldBeGreaterThan(24 << 20);
        (sample.MemoryLimitBytes, sample.Pids, sample.OutOfMemoryKills).ShouldBe((128L << 20, after.Pids, 0));
        sample.Net.ShouldNotBeNull().In.ShouldBeInRange(before.Net!.Value.In, after.Net!.Value.In);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);

        (await EngineSamples.ReadAsync(Lab.ContainerEngine, container, TimeProvider.System, Cancel)).ShouldBeNull("it is gone");
    }
}
