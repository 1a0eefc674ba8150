using System.Collections.Concurrent;
using Npgsql;
using Portal.Core.Live;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Live;

/// <summary>What a page sees first and later, however many pages watch the same thing.</summary>
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

        // The first tab stays open, as the circuit of a closed tab does for minutes.
        var second = await feed.WatchHomeAsync(new(student), leave.Token);
        second.Now!.Workspaces.Length.ShouldBe(1);
        await leave.CancelAsync();
        await site.Get<Changes>().StopAsync(Cancel);
    }

    [Fact]
    public async Task Changes_ConnectionLost_TellsEverythingAgainAndHearsWhatComesAfter()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        var changes = site.Get<Changes>();
        var heard = new ConcurrentQueue<string>();
        using var hearing = changes.Subscribe(heard.Enqueue);
        await changes.StartAsync(Cancel);
        await Until.TrueAsync("it is listening", () => heard.Contains(Changes.Everything), Cancel);
        heard.Clear();

        (await EndListenersAsync(database)).ShouldBe(1);
        await Until.TrueAsync("everything is notified again", () => heard.Contains(Changes.Everything), Cancel);
        heard.Clear();
        await database.ExecuteAsync($"select pg_notify({Changes.Channel}, 'after the loss')", Cancel);
        await Until.TrueAsync("what comes afterwards is received", () => heard.Contains("after the loss"), Cancel);
        await changes.StopAsync(Cancel);
    }

    [Fact]
    public async Task Watch_OverALostConnection_MissesNothing()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        await site.Get<Changes>().StartAsync(Cancel);
        var (feed, student) = (site.Get<WorkspaceFeed>(), site.Students[0]);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var home = await feed.WatchHomeAsync(new(student), leave.Token);
        // Without notification: none of the order's triggers fires, so only the read after the lost connection can show it.
        foreach (var table in (string[])["workspaces", "runs", "log_lines"])
            await database.ExecuteAsync(
                System.Runtime.CompilerServices.FormattableStringFactory.Create($"alter table portal.{table} disable trigger user"), Cancel);
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(student), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        (await EndListenersAsync(database)).ShouldBe(1);

        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
        await foreach (var later in home.Later.WithCancellation(soon.Token))
            if (later!.Workspaces.Length == 1) break;
        await leave.CancelAsync();
        await site.Get<Changes>().StopAsync(Cancel);
    }

    [Fact]
    public async Task Watch_FirstReadingFails_SaysSoAndWorksWhenTriedAgain()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        await site.Get<Changes>().StartAsync(Cancel);
        var unavailable = true;
        await using var nowhere = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.Web) { Database = "not_there" });
        await using var there = NpgsqlDataSource.Create(database.Web);
        var feed = new Feed<string, string>(site.Get<Changes>(), async (key, cancel) =>
        {
            await using var connection = await (unavailable ? nowhere : there).OpenConnectionAsync(cancel);
            return key;
        }, (_, _, _) => false);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        await Should.ThrowAsync<PostgresException>(() => feed.WatchAsync("a", leave.Token));
        await Should.ThrowAsync<PostgresException>(() => feed.WatchAsync("a", leave.Token));
        unavailable = false;

        (await feed.WatchAsync("a", leave.Token)).Now.ShouldBe("a");
        await leave.CancelAsync();
        await site.Get<Changes>().StopAsync(Cancel);
    }

    [Fact]
    public async Task Watch_DatabasesNameDoesNotResolveForAWhile_GoesOnWhenItDoes()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        var (changes, heard) = (site.Get<Changes>(), new ConcurrentQueue<string>());
        using var hearing = changes.Subscribe(heard.Enqueue);
        await changes.StartAsync(Cancel);
        await Until.TrueAsync("it listens", () => heard.Contains(Changes.Everything), Cancel);
        var (unavailable, inVain) = (false, 0);
        await using var nowhere = NpgsqlDataSource.Create("Host=db.invalid;Username=portal_web;Database=portal");
        await using var there = NpgsqlDataSource.Create(database.Web);
        var feed = new Feed<string, string>(changes, async (key, cancel) =>
        {
            var data = unavailable ? nowhere : there;
            if (data == nowhere) Interlocked.Increment(ref inVain);
            await using var connection = await data.OpenConnectionAsync(cancel);
            return $"of {key}";
        }, (_, _, what) => what == "again");
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var watched = await feed.WatchAsync("a", leave.Token);
        await using var later = watched.Later.GetAsyncEnumerator(leave.Token);
        unavailable = true;
        await database.ExecuteAsync($"select pg_notify({Changes.Channel}, 'again')", Cancel);
        await Until.TrueAsync("it was read in vain", () => Volatile.Read(ref inVain) > 0, Cancel);
        unavailable = false;
        await database.ExecuteAsync($"select pg_notify({Changes.Channel}, 'again')", Cancel);

        (await later.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(15), TimeProvider.System, Cancel)).ShouldBeTrue();

        await leave.CancelAsync();
        await changes.StopAsync(Cancel);
    }

    [Fact]
    public async Task Watch_TriedAgainWhileAnOldReadingStillFails_WaitsForItsOwn()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        var heard = new ConcurrentQueue<string>();
        var changes = site.Get<Changes>();
        using var hearing = changes.Subscribe(heard.Enqueue);
        await changes.StartAsync(Cancel);
        await Until.TrueAsync("it is listening", () => heard.Contains(Changes.Everything), Cancel);
        var (unavailable, late, underWay) = (true, new TaskCompletionSource(), new TaskCompletionSource());
        var feed = new Feed<string, string>(changes, async (key, _) =>
        {
            if (unavailable) throw new NpgsqlException("away");
            if (!underWay.TrySetResult()) return key;
            await late.Task;
            throw new NpgsqlException("away still");
        }, (_, _, what) => what == "again");
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await Should.ThrowAsync<NpgsqlException>(() => feed.WatchAsync("a", leave.Token));
        unavailable = false;
        await database.ExecuteAsync($"select pg_notify({Changes.Channel}, 'again')", Cancel);
        await underWay.Task.WaitAsync(Cancel);

        var tried = feed.WatchAsync("a", leave.Token);
        late.SetResult();

        (await tried).Now.ShouldBe("a");
        await leave.CancelAsync();
        await changes.StopAsync(Cancel);
    }

    private static async Task<long> EndListenersAsync(TestDatabase database)
    {
        await using var admin = NpgsqlDataSource.Create(database.Admin);
        await using var end = admin.CreateCommand("""
            select count(pg_terminate_backend(pid)) from pg_stat_activity
            where datname = current_database() and lower(query) like 'listen portal_changes%'
            """);
        return (long)(await end.ExecuteScalarAsync(Cancel))!;
    }
}
