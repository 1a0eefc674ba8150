using Microsoft.Extensions.Time.Testing;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>OpenStack reports no changes: what is found by looking is told as a container engine would tell it.</summary>
public sealed class ServerEventsTests
{
    private static readonly Guid One = Guid.Parse("0190a6d2-7d0c-7b4e-9d3c-5a0c4e6f1a2b"), Two = Guid.Parse("0190a6d2-7d0c-7b4e-9d3c-5a0c4e6f1a2c");

    [Fact]
    public void Node_ThatEndedByItself_Died_WithItsExitCode() =>
        Changes([Of(One, NodeState.Running)], [Of(One, NodeState.Exited, 137)]).ShouldBe([(ClusterHappening.Died, One, 137, null)]);

    [Fact]
    public void Node_WhoseServerFailedOrIsGone_Died_AndItIsSaidWhy()
    {
        Changes([Of(One, NodeState.Running)], [Of(One, NodeState.Broken)])
            .ShouldBe([(ClusterHappening.Died, One, null, "its server is no longer running.")]);
        Changes([Of(One, NodeState.Running)], []).ShouldBe([(ClusterHappening.Died, One, null, "its server was removed in the cloud.")]);
    }

    /// <summary>Whoever hears of a change needs no look of its own.</summary>
    [Fact]
    public void Event_CarriesWhatWasSeen()
    {
        var after = Of(One, NodeState.Exited, 1);
        Raw([Of(One, NodeState.Running)], [after]).Single().Seen.ShouldBeSameAs(after);
        Raw([Of(One, NodeState.Running)], []).Single().Seen.ShouldNotBeNull().Nodes.ShouldBeEmpty();
    }

    /// <summary>Heat replaces a server by making another one first.</summary>
    [Fact]
    public void Node_WithTwoServers_IsTheOneThatRuns()
    {
        var twice = Of(One, NodeState.Building) with { Nodes = [.. Of(One, NodeState.Exited).Nodes, .. Of(One, NodeState.Running).Nodes] };
        Changes([twice], [Of(One, NodeState.Running)]).ShouldBeEmpty();
    }

    [Fact]
    public void Nodes_ThatAreUnchanged_TellNothing() => Changes([Of(One, NodeState.Running), Of(Two, NodeState.Exited, 1)],
        [Of(Two, NodeState.Exited, 1), Of(One, NodeState.Running)]).ShouldBeEmpty();

    [Fact]
    public void Nodes_ThatComeAndGo_AreNamed() => Changes([Of(One, NodeState.Building)], [Of(Two, NodeState.Building)]).ShouldBe(
        [(ClusterHappening.Removed, One, null, null), (ClusterHappening.Started, Two, null, null)], ignoreOrder: true);

    [Fact]
    public void Node_ThatRunsNow_IsStarted() =>
        Changes([Of(One, NodeState.Building)], [Of(One, NodeState.Running)]).ShouldBe([(ClusterHappening.Started, One, null, null)]);

    [Fact]
    public async Task Cloud_ThatDoesNotAnswer_IsUnavailable_AndAfterwardsAllIsLookedAt()
    {
        var (answers, clock) = (new Queue<bool>([true, false, false, true]), new FakeTimeProvider());
        using var end = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var seen = new List<ClusterHappening>();
        var following = Task.Run(async () =>
        {
            await foreach (var happened in new ServerEvents(LookAsync, clock).FollowAsync(end.Token)) seen.Add(happened.What);
        }, TestContext.Current.CancellationToken);

        await Eventually.SeesAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(3));
            return Task.FromResult(answers.Count);
        }, left => left == 0, "it has looked four times", 20);
        await end.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => following);

        seen.ShouldBe([ClusterHappening.LookAgain, ClusterHappening.Unavailable, ClusterHappening.LookAgain]);

        Task<IReadOnlyList<ClusterStatus>> LookAsync(CancellationToken cancel) => !answers.TryDequeue(out var answers1) || answers1
            ? Task.FromResult<IReadOnlyList<ClusterStatus>>([])
            : Task.FromException<IReadOnlyList<ClusterStatus>>(new CloudException("Nova", CloudFault.Unavailable, "it does not answer", "Wait."));
    }

    private static List<(ClusterHappening, Guid, int?, string?)> Changes(ClusterStatus[] before, ClusterStatus[] after) =>
        [.. Raw(before, after).Select(e => (e.What, e.Workspace!.Value, e.ExitCode, e.Reason))];

    private static IEnumerable<ClusterEvent> Raw(ClusterStatus[] before, ClusterStatus[] after) =>
        ServerEvents.Changes(before.ToDictionary(c => c.Workspace), after.ToDictionary(c => c.Workspace));

    private static ClusterStatus Of(Guid workspace, NodeState state, int? exit = null) => new(workspace, HasNetwork: true,
        [new("notebook", "notebook", 1, state, exit, OutOfMemory: false, state == NodeState.Running ? "10.9.0.37" : null, "0a1b")]);
}
