using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Metrics;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Metrics;

/// <summary>Short spans are rolled up once into rows that say the same, and deleted after their retention. As role portal_jobs.</summary>
public sealed class RollupTests : IAsyncLifetime
{
    private TestDatabase _database = null!;
    private TestSite _site = null!;
    private NpgsqlDataSource _jobs = null!;
    private Guid _workspace;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Cancel);
        _site = await TestSite.CreateAsync(_database, students: 1, new(4, 4096, 4, 4), Cancel);
        _workspace = TestSite.NewId();
        (await _site.Get<LaunchWorkspace>().RunAsync(_site.Order(_site.Students[0], id: _workspace), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        _jobs = NpgsqlDataSource.Create(_database.Jobs);
    }

    public async ValueTask DisposeAsync()
    {
        if (_jobs is not null) await _jobs.DisposeAsync();
        if (_site is not null) await _site.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
    }

    private Sample Raw(DateTimeOffset at, double cpu = .5, double most = .5, long memory = 100, long kills = 0, long net = 0, int pids = 1,
        string node = "notebook", int span = 10) => new()
        {
            WorkspaceId = _workspace,
            Node = node,
            At = at,
            Span = span,
            Cpu = cpu,
            CpuMost = most,
            Throttled = cpu / 2,
            MemoryBytes = memory,
            MemoryMost = memory + 10,
            MemoryLimitBytes = 1000,
            OutOfMemoryKills = kills,
            Pids = pids,
            NetIn = net,
            NetOut = net * 2,
            DiskRead = net * 3,
            DiskWritten = net * 4,
        };

    private async Task<List<Sample>> SpansAsync(int span)
    {
        await using var db = _database.Open();
        return await db.Samples.AsNoTracking().Where(s => s.Span == span).OrderBy(s => s.Node).ThenBy(s => s.At).ToListAsync(Cancel);
    }

    private Task WriteAsync(params Sample[] samples) => new SampleRows(_jobs).WriteAsync(samples, Cancel);

    private Task RunAsync() => new Rollup(_jobs).RunAsync(Cancel);

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    [Fact]
    public async Task Run_WholeMinute_IsMeanAndMost_AndASecondRunChangesNothing()
    {
        var minute = Spans.Begin(Now.AddMinutes(-5), Spans.Minute);
        await WriteAsync(Raw(minute, cpu: .2, most: .9, memory: 100, kills: 1, net: 5, pids: 3),
            Raw(minute.AddSeconds(10), cpu: .4, most: .4, memory: 300, kills: 2, net: 7, pids: 9), Raw(minute, cpu: 1, most: 1, node: "worker0"));

        await RunAsync();
        var first = await SpansAsync(60);
        await RunAsync();

        var (one, other) = (first[0], first[1]);
        (one.Node, one.At, one.CpuMost, one.MemoryBytes, one.MemoryMost, one.MemoryLimitBytes, one.OutOfMemoryKills,
            one.Pids).ShouldBe(("notebook", minute, .9, 200L, 310L, 1000L, 3L, 9));
        one.Cpu.ShouldBe(.3, 1e-9);
        one.Throttled.ShouldBe(.15, 1e-9);
        (one.NetIn, one.NetOut, one.DiskRead, one.DiskWritten).ShouldBe((12L, 24L, 36L, 48L));
        (other.Node, other.Cpu).ShouldBe(("worker0", 1));
        (await SpansAsync(60)).ShouldBeEquivalentTo(first);
    }

    [Fact]
    public async Task Run_MinuteThatGoesOn_WaitsUntilItIsWhole()
    {
        await WriteAsync(Raw(Spans.Begin(Now, Spans.Raw)));
        await RunAsync();
        (await SpansAsync(60)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Run_AfterAnHourOfNobody_MakesAllThatIsMissing()
    {
        var from = Spans.Begin(Now.AddMinutes(-70), Spans.Minute);
        await WriteAsync([.. Enumerable.Range(0, 60).Select(i => Raw(from.AddMinutes(i), cpu: i / 100.0))]);

        await RunAsync();

        (await SpansAsync(60)).Count.ShouldBe(60);
        var ten = await SpansAsync(600);
        ten.Count.ShouldBeInRange(5, 7);
        ten.ShouldAllBe(s => s.At == Spans.Begin(s.At, Spans.TenMinutes));
        var whole = ten[2];
        whole.Cpu.ShouldBe((await SpansAsync(60)).Where(s => s.At >= whole.At && s.At < whole.At.AddMinutes(10)).Average(s => s.Cpu), 1e-9);
    }

    [Fact]
    public async Task Run_PastItsTime_IsForgotten_AndTheRestStays()
    {
        await WriteAsync(Raw(Now.AddMinutes(-119)), Raw(Now.AddMinutes(-121)));
        await WriteAsync(Raw(Now.AddHours(-23), span: 60), Raw(Now.AddHours(-25), span: 60));
        await WriteAsync(Raw(Now.AddDays(-29), span: 600), Raw(Now.AddDays(-31), span: 600));
        await new SampleRows(_jobs).WriteAsync(
            [new Count { WorkspaceId = _workspace, Name = "kernels", At = Now.AddHours(-3), Span = 15, Value = 1, Most = 1 }], Cancel);

        await RunAsync();

        (await SpansAsync(10)).ShouldHaveSingleItem();
        (await SpansAsync(60)).Count(s => s.At < Now.AddHours(-22)).ShouldBe(1);
        (await SpansAsync(600)).Count(s => s.At < Now.AddDays(-28)).ShouldBe(1);
        await using var db = _database.Open();
        (await db.Counts.CountAsync(c => c.Span == 15, Cancel)).ShouldBe(0);
    }

    [Fact]
    public async Task Run_Counts_AreMeanAndMost()
    {
        var minute = Spans.Begin(Now.AddMinutes(-4), Spans.Minute);
        await new SampleRows(_jobs).WriteAsync(
            [.. new double[] { 1, 2, 6 }.Select((v, i) =>
                new Count { WorkspaceId = _workspace, Name = "tasks", At = minute.AddSeconds(15 * i), Span = 15, Value = v, Most = v })], Cancel);

        await RunAsync();
        await RunAsync();

        await using var db = _database.Open();
        var count = await db.Counts.SingleAsync(c => c.Span == 60, Cancel);
        (count.Name, count.At, count.Value, count.Most).ShouldBe(("tasks", minute, 3, 6));
    }

    [Fact]
    public async Task Write_TwiceTheSameSpanOrNoWorkspace_IsOneRow()
    {
        var at = Spans.Begin(Now, Spans.Raw);
        await WriteAsync(Raw(at));
        await WriteAsync(Raw(at, cpu: .9), new Sample { WorkspaceId = TestSite.NewId(), Node = "notebook", At = at, Span = 10 });
        (await SpansAsync(10)).ShouldHaveSingleItem().Cpu.ShouldBe(.5);
    }
}
