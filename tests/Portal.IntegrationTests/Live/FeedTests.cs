using Portal.Core.Live;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Live;

/// <summary>What a page sees first, and later, however many pages watch the same thing.</summary>
public sealed class FeedTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Watch_WhileAnotherTabWatchesSinceLongAgo_BeginsWithTheNewestState()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        await site.Get<Changes>().StartAsync(Cancel);
        var (feed, student) = (site.Get<WorkspaceFeed>(), site.Students[0]);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var first = await feed.WatchHomeAsync(new(student), leave.Token);
        first.Now!.Workspaces.ShouldBeEmpty();

        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(student), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await foreach (var later in first.Later)
            if (later!.Workspaces.Length == 1) break;

        // The first tab stays open, as a circuit of a tab that was closed does for minutes.
        var second = await feed.WatchHomeAsync(new(student), leave.Token);
        second.Now!.Workspaces.Length.ShouldBe(1);
        await leave.CancelAsync();
        await site.Get<Changes>().StopAsync(Cancel);
    }
}
