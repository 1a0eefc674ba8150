using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack.Faults;

/// <summary>Jobs is killed in the middle of a launch and started again: what was begun goes on, or is released, and nothing is there twice.</summary>
[Collection(nameof(OnRig))]
public sealed class KilledJobsTests(RigSite site)
{
    private const double Boot = 120;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact, Trait("Lane", "openstack")]
    public async Task Kill_WhileTheStackIsCreated_EndsReadyWithOneOfEach_AndStopReleasesInOrder()
    {
        var order = await site.LaunchAsync(student: 0);
        await Eventually.SeesAsync(() => site.StackAsync(order), s => s is not null, "the stack is being created", Boot);
        KillAndStart();

        await site.EndedAsync(order, RunKind.Launch);
        await site.CheckAsync(order);
        (await site.ViewAsync(order)).Status.ShouldBe(WorkspaceStatus.Ready);

        using var stopped = new CancellationTokenSource();
        var watch = WatchAsync(stopped.Token);
        await site.StopAsync(order);
        await stopped.CancelAsync();
        (await watch).ShouldBe(["stack, rule, server", "stack, rule", "stack", "nothing"]);
        await site.CheckAsync();
        await site.DeleteAsync(order);
    }

    private void KillAndStart()
    {
        site.It.Jobs.Kill();
        site.It.Jobs.Start();
    }

    /// <summary>
    /// What is there at a time, as often as it can be asked, without repetitions. What must go last is asked about first: so that something that went
    /// between two questions never looks like a wrong order.
    /// </summary>
    private async Task<IReadOnlyList<string>> WatchAsync(CancellationToken enough)
    {
        var seen = new List<string>();
        for (var last = false; !last;)
        {
            last = enough.IsCancellationRequested;
            var there = new List<string>();
            if ((await site.Lab.Mine.Heat.StacksAsync(site.Lab.Mine.Names.Ours, Cancel)).Count > 0) there.Add("stack");
            if ((await site.Lab.Storage.Mine.Shares.AccessAsync(Cancel)).Count > 0) there.Add("rule");
            if ((await site.Lab.Mine.Nova.ServersAsync(Cancel)).Any(s => site.Lab.Mine.Names.KeyOf(s) is not null)) there.Add("server");
            var now = there.Count == 0 ? "nothing" : string.Join(", ", there);
            if (seen.LastOrDefault() != now) seen.Add(now);
        }
        return seen;
    }
}
