using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Portal.Core.Live;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Live;

/// <summary>Which workspaces somebody watches while they change gets from the web's account to the clouds, over a real database.</summary>
public sealed class WatchedWorkspacesTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Page_OpenWhileItsWorkspaceStarts_IsToldToTheClouds_UntilItIsClosed()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        await using var web = NpgsqlDataSource.Create(database.Web);
        await using var jobs = NpgsqlDataSource.Create(database.Jobs);
        await site.Get<Changes>().StartAsync(Cancel);
        var (feed, student, clouds, clock) = (site.Get<WorkspaceFeed>(), site.Students[0], new ScriptedClouds((_, _) => Mood.Well), new FakeTimeProvider());
        using var tells = new WatchedWorkspaces(feed, web, clock, NullLogger<WatchedWorkspaces>.Instance);
        using var hears = new WatchedListener(jobs, new CloudKits([clouds.Kit("local")]), clock, NullLogger<WatchedListener>.Instance);
        await tells.StartAsync(Cancel);
        await hears.StartAsync(Cancel);
        var order = site.Order(student);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await using var db = database.Open();
        var slug = db.Workspaces.Single(w => w.Id == order.Id).Slug;

        feed.WatchedInChange().ShouldBeEmpty("nobody watches");
        using var page = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await feed.WatchAsync(new(student), slug, page.Token);
        await BecomesAsync("it is told", order.Id);

        await page.CancelAsync();
        await BecomesAsync("it is forgotten");
        await tells.StopAsync(Cancel);
        await hears.StopAsync(Cancel);
        await site.Get<Changes>().StopAsync(Cancel);

        Task BecomesAsync(string what, params Guid[] watched) => Until.TrueAsync(what, () =>
        {
            clock.Advance(WatchedWorkspaces.Every);
            return Task.FromResult(clouds.Watched.SequenceEqual(watched));
        }, Cancel);
    }

    [Fact]
    public async Task Page_OfAWorkspaceThatChangesNothing_IsNotTold()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        await site.Get<Changes>().StartAsync(Cancel);
        var (feed, order) = (site.Get<WorkspaceFeed>(), site.Order(site.Students[0]));
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await database.ExecuteAsync($"update portal.runs set phase = 'Cancelled', ended_at = clock_timestamp()", Cancel);
        await using var db = database.Open();
        using var page = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        (await feed.WatchAsync(new(site.Students[0]), db.Workspaces.Single(w => w.Id == order.Id).Slug, page.Token)).ShouldNotBeNull();

        feed.WatchedInChange().ShouldBeEmpty();
        await page.CancelAsync();
        await site.Get<Changes>().StopAsync(Cancel);
    }
}
