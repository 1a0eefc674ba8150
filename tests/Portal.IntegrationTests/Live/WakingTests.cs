using System.Collections.Concurrent;
using Portal.Core.Clouds;
using Portal.Core.Live;
using Portal.Core.Operations;
using Portal.Core.People;
using Portal.Core.Workspaces;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Live;

/// <summary>Who is told about what: measurements separately from changes of a state, and a class only to those who show it.</summary>
public sealed class WakingTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<string> _heard = new();
    private TestDatabase _database = null!;
    private TestSite _site = null!;
    private JobsProcess _jobs = null!;
    private IDisposable _hearing = null!;
    private Guid _workspace;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Cancel);
        _site = await TestSite.CreateAsync(_database, students: 1, new(4, 4096, 4, 4), Cancel);
        _jobs = _site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        var order = _site.Order(_site.Students[0]);
        (await _site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await _jobs.UntilSettledAsync(Cancel);
        _workspace = order.Id;
        var changes = _site.Get<Changes>();
        _hearing = changes.Subscribe(_heard.Enqueue);
        await changes.StartAsync(Cancel);
        await Until.TrueAsync("it is listening", () => _heard.Contains(Changes.Everything), Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await _site.Get<Changes>().StopAsync(CancellationToken.None);
        _hearing.Dispose();
        await _jobs.DisposeAsync();
        await _site.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Measurement_OfANode_IsNoChange()
    {
        var now = TimeProvider.System.GetUtcNow();
        var sample = new NodeSample(_workspace, "notebook", 1, now, TimeSpan.FromSeconds(1), TimeSpan.Zero, 1 << 20, 1 << 30, 0, 7, 1);

        (await HeardAsync(() => _jobs.Get<NodeRows>().MeasureAsync([new(sample, 0.5, 0)], Cancel)))
            .ShouldBe([$"m:{_workspace}:{_site.Students[0]}"]);
        (await HeardAsync(() => _database.ExecuteAsync($"update portal.workspaces set active_at = clock_timestamp(), active_by = 'kernels'", Cancel)))
            .ShouldBe([$"m:{_workspace}:{_site.Students[0]}"]);
    }

    [Theory]
    [InlineData("update portal.nodes set out_of_memory_kills = 1, memory_bytes = 9")]
    [InlineData("update portal.nodes set running = false, address = null, seen_at = clock_timestamp()")]
    [InlineData("update portal.nodes set mapped_ports = array['8888=192.0.2.1:1']")]
    [InlineData("delete from portal.nodes")]
    [InlineData("update portal.workspaces set active_at = null, generation = generation + 1")]
    public async Task Change_OfAState_IsOneWhateverWasMeasuredBeside(string change) =>
        (await HeardAsync(() => _database.ExecuteAsync(System.Runtime.CompilerServices.FormattableStringFactory.Create(change), Cancel)))
            .ShouldBe([$"w:{_workspace}:{_site.Students[0]}"]);

    /// <summary>The home page and the page of the workspace show readings; both show rules of the workspace's class.</summary>
    [Fact]
    public async Task Pages_OfAWorkspace_ShowMeasurementsAndTheRulesOfItsClass()
    {
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using var home = (await Feed.WatchHomeAsync(Student, leave.Token)).Later.GetAsyncEnumerator(leave.Token);
        await using var page = (await Feed.WatchAsync(Student, await SlugAsync(), leave.Token))!.Later.GetAsyncEnumerator(leave.Token);

        await _database.ExecuteAsync($"update portal.nodes set memory_bytes = 77", Cancel);
        await NextAsync(home, h => h!.Workspaces.Single().Nodes.Single().MemoryBytes == 77);
        await NextAsync(page, w => w!.Nodes.Single().MemoryBytes == 77);
        await _database.ExecuteAsync($"update portal.classes set longest_hours = 7", Cancel);
        await NextAsync(home, h => h!.Classes.Single().LongestHours == 7);
        await NextAsync(page, w => w!.LongestHours == 7);
        await leave.CancelAsync();
    }

    [Fact]
    public async Task Measurement_OfANode_ReadsNothingForPagesThatDoNotShowIt()
    {
        await _database.ExecuteAsync($"""
            insert into portal.memberships (id, person_id, role) values ({TestSite.NewId()}, {_site.Instructor}, 'Operator')
            """, Cancel);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using var home = (await Feed.WatchHomeAsync(Student, leave.Token)).Later.GetAsyncEnumerator(leave.Token);
        await using var states = (await Feed.WatchStatesAsync(Student, leave.Token)).Later.GetAsyncEnumerator(leave.Token);
        var operations = await _site.Get<OperationsFeed>().WatchAsync(new(_site.Instructor), new(), leave.Token);
        await using var rows = operations!.Later.GetAsyncEnumerator(leave.Token);

        await _database.ExecuteAsync($"update portal.nodes set memory_bytes = 77", Cancel);
        await NextAsync(home, h => h!.Workspaces.Single().Nodes.Single().MemoryBytes == 77); // whoever shows it was told
        await _database.ExecuteAsync($"update portal.runs set phase = 'Failed', cause = 'for the test'", Cancel);

        (await FirstAsync(states))!.Workspaces.Single().Status.ShouldBe(WorkspaceStatus.Failed);
        (await FirstAsync(rows))!.Failures.Items.Length.ShouldBe(1);
        await leave.CancelAsync();
    }

    [Fact]
    public async Task Class_OfOthers_IsNotReadHere()
    {
        var other = await _site.OtherCloudAsync("physics", new(10, 10_000, 0, 0), Cancel);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using var home = (await Feed.WatchHomeAsync(Student, leave.Token)).Later.GetAsyncEnumerator(leave.Token);
        await UntilMarkAsync("settled");

        (await HeardAsync(() => _database.ExecuteAsync($"update portal.classes set longest_hours = 7 where id = {other}", Cancel))).ShouldBe([$"c:{other}"]);
        await _database.ExecuteAsync($"update portal.workspaces set name = 'renamed'", Cancel);
        (await FirstAsync(home))!.Workspaces.Single().Name.ShouldBe("renamed");
        await leave.CancelAsync();
    }

    private WorkspaceFeed Feed => _site.Get<WorkspaceFeed>();

    private Actor Student => new(_site.Students[0]);

    private async Task<string> SlugAsync()
    {
        await using var db = _database.Open();
        return (await db.Workspaces.FindAsync([_workspace], Cancel))!.Slug;
    }

    /// <summary>What is heard up to a mark that is notified afterwards.</summary>
    private async Task<IReadOnlyList<string>> HeardAsync(Func<Task> change)
    {
        await UntilMarkAsync("before");
        await change();
        return await UntilMarkAsync("after");
    }

    private async Task<IReadOnlyList<string>> UntilMarkAsync(string mark)
    {
        await _database.ExecuteAsync($"select pg_notify({Changes.Channel}, {mark})", Cancel);
        await Until.TrueAsync("the mark is heard", () => _heard.Contains(mark), Cancel);
        var heard = _heard.Where(h => h != mark).ToList();
        _heard.Clear();
        return heard;
    }

    private static async Task<T?> FirstAsync<T>(IAsyncEnumerator<T?> later) where T : class
    {
        (await later.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(15), TimeProvider.System, Cancel)).ShouldBeTrue("the feed goes on");
        return later.Current;
    }

    private static async Task NextAsync<T>(IAsyncEnumerator<T?> later, Func<T?, bool> holds) where T : class
    {
        while (!holds(await FirstAsync(later))) { }
    }
}
