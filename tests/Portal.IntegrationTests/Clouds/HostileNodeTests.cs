using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A node that writes endlessly, or writes binary data: readers read little of it and soon continue.</summary>
public sealed class HostileNodeTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Command_ThatWritesWithoutEnd_IsGivenUpOn()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var asked = Lab.Clusters.ExecuteAsync(plan.Workspace, "notebook", ["yes"], Cancel);
        var fault = await Should.ThrowAsync<CloudException>(() => asked.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System, Cancel));

        (fault.Fault, fault.Message).ShouldBe((CloudFault.Refused, "Container engine: the command on notebook wrote more than 1 MiB."));
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
    }

    /// <summary>The limit counts from the command's start, whatever it writes meanwhile.</summary>
    [Theory, Trait("Lane", "long")]
    [InlineData("sleep infinity")]
    [InlineData("while echo .; do sleep 0.1; done")]
    public async Task Command_ThatNeverEnds_IsGivenUpOnAtTheLimit(string command)
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var clock = new WaitedClock();
        await using var services = Lab.ByClock(clock);

        var asked = services.GetRequiredService<IClusterCloud>().ExecuteAsync(plan.Workspace, "notebook", ["sh", "-c", command], Cancel);
        (await clock.Waited.Task.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System, Cancel)).ShouldBe(TimeSpan.FromMinutes(1));
        clock.Advance(TimeSpan.FromMinutes(1) - TimeSpan.FromTicks(1));
        asked.IsCompleted.ShouldBeFalse();
        clock.Advance(TimeSpan.FromTicks(1));
        var fault = await Should.ThrowAsync<CloudException>(() => asked.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, Cancel));

        (fault.Fault, fault.Message).ShouldBe((CloudFault.TimedOut, "Container engine: the command on notebook did not finish within 60 s."));
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
    }

    [Fact]
    public async Task Command_ThatWritesNoText_IsReadAsText()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var result = await Lab.Clusters.ExecuteAsync(plan.Workspace, "notebook", ["printf", @"a\0b\377c\n\355\240\200d"], Cancel);

        (result.ExitCode, result.Output).ShouldBe((0, "a\uFFFDb\uFFFDc\n\uFFFD\uFFFD\uFFFDd"));
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
    }

    [Fact]
    public async Task LastWords_OfALineWithoutEnd_AreShort()
    {
        const string writes = @"head -c 3000000 /dev/zero | tr '\0' x; printf '\nlast\0words\n'; sleep infinity";
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(command: ["sh", "-c", writes])]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var lines = await Eventually.SeesAsync(
            () => Lab.Clusters.LogTailAsync(plan.Workspace, "notebook", 15, Cancel), l => l is [.., "last\uFFFDwords"], "what it wrote last");

        lines!.ShouldAllBe(l => l.Length <= 2002);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
    }
}
