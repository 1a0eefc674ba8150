using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds.OpenStack;
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
        await site.LeavesNothingAsync();
        await site.DeleteAsync(order);
    }

    [Theory, Trait("Lane", "openstack-long")]
    [InlineData("the run is begun")]
    [InlineData("the share is asked for")]
    [InlineData("the rule is asked for")]
    [InlineData("the step of the rule is saved")]
    [InlineData("the stack is asked for")]
    [InlineData("the server is asked for")]
    [InlineData("the server runs")]
    [InlineData("the server has signalled")]
    [InlineData("the certificate is pinned")]
    [InlineData("the container is made")]
    public async Task Kill_AtAMoment_EndsReadyOrReleased(string moment)
    {
        var order = await site.LaunchAsync(student: moment == "the share is asked for" ? 6 : 5); // whose share is not there yet
        await Eventually.HoldsAsync(() => HasComeAsync(moment, order), moment, Boot);
        KillAndStart();

        var run = await site.SettledAsync(order, RunKind.Launch);
        if (run.Phase is RunPhase.Succeeded) await site.CheckAsync(order);
        else await site.LeavesNothingAsync();
        await site.DeleteAsync(order);
        await site.LeavesNothingAsync();
    }

    private async Task<bool> HasComeAsync(string moment, LaunchRequest order) => moment switch
    {
        "the run is begun" => (await site.RunAsync(order)).Phase is not RunPhase.Queued,
        "the share is asked for" => await site.ShareAsync(order) is not null,
        "the rule is asked for" => (await site.Lab.Storage.Mine.Shares.AccessAsync(order.Id, Cancel)).Count > 0,
        "the step of the rule is saved" => (await site.RunAsync(order)).DoneStep is StepKey.EnsureAccess,
        "the stack is asked for" => await site.StackAsync(order) is not null,
        "the server is asked for" => await site.ServerAsync(order) is not null,
        "the server runs" => await site.ServerAsync(order) is { Status: "ACTIVE" },
        "the server has signalled" => await site.StackAsync(order) is { Status: "CREATE_COMPLETE" },
        "the certificate is pinned" => await site.ServerAsync(order) is { } server && ServerEngines.FingerprintOf(server) is not null,
        "the container is made" => await site.ServerAsync(order) is { } server && await site.ContainersAsync(server) > 0,
        _ => throw new ArgumentOutOfRangeException(nameof(moment)),
    };

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
