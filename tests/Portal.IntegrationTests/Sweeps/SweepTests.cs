using System.Collections.Concurrent;
using Hangfire;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Sweeps;

/// <summary>Scheduled work: each sweep alone, and the complete list of recurring jobs.</summary>
public sealed class SweepTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(4);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static ScriptedClouds Clouds() => new((_, _) => Mood.Well);

    [Fact]
    public async Task Sweep_AfterAnotherProcessDidIt_IsDoneAgain()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var one = site.Process(clouds, Lease);
        await using var two = site.Process(clouds, Lease);
        // A finished sweep keeps its connection in the pool, and nothing else.
        await one.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);
        var unknown = TestSite.NewId();
        await OrphanTests.LeaveAsync(clouds, site, unknown);

        await two.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);

        clouds.LeftOf(unknown).ShouldBeEmpty();
    }

    /// <summary>Calls to clouds take time: the database ends idle transactions, but a working sweep is not idle.</summary>
    [Fact]
    public async Task Sweep_ThatLastsLongerThanTheDatabaseBearsSilence_KeepsItsLock()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        using var hold = new ManualResetEventSlim();
        var calls = 0;
        var clouds = new ScriptedClouds((_, _) =>
        {
            if (Interlocked.Increment(ref calls) == 2) hold.Wait(Cancel); // the first call creates an orphan
            return Mood.Well;
        });
        (string, string)[] impatient = [("ConnectionStrings:portal", database.Jobs + ";Options=-c idle_in_transaction_session_timeout=2s")];
        await using var one = site.Process(clouds, Lease, impatient);
        await using var two = site.Process(clouds, Lease, impatient);
        var unknown = TestSite.NewId();
        await OrphanTests.LeaveAsync(clouds, site, unknown);
        var first = Task.Run(() => one.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel), Cancel);
        await Until.TrueAsync("the first calls its cloud", () => Task.FromResult(Volatile.Read(ref calls) == 2), Cancel);
        await Task.Delay(TimeSpan.FromSeconds(4), TimeProvider.System, Cancel); // the time that the cloud takes

        await two.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);

        (first.IsCompleted, calls).ShouldBe((false, 2), "the second left the work to the first");
        hold.Set();
        await first;
        clouds.LeftOf(unknown).ShouldBeEmpty();
    }

    [Fact]
    public async Task Sweep_ThatLostItsLock_DoesNotGoOn()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        using var hold = new ManualResetEventSlim();
        var calls = 0;
        var clouds = new ScriptedClouds((_, _) =>
        {
            if (Interlocked.Increment(ref calls) == 2) hold.Wait(Cancel);
            return Mood.Well;
        });
        await using var one = site.Process(clouds, Lease);
        var unknown = TestSite.NewId();
        await OrphanTests.LeaveAsync(clouds, site, unknown);
        var first = Task.Run(() => one.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel), Cancel);
        await Until.TrueAsync("it calls its cloud", () => Task.FromResult(Volatile.Read(ref calls) == 2), Cancel);

        // As after a freeze: the database has ended the transaction with the locks; the next heartbeats find out.
        await database.ExecuteAsync($"""
            select pg_terminate_backend(pid) from pg_locks
            where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
            """, Cancel);
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Cancel);
        hold.Set();
        await first;

        calls.ShouldBe(2, "nothing was asked of a cloud after the lock was lost");
        clouds.LeftOf(unknown).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task EndTimes_ReadyWorkspaceAtItsEnd_IsStoppedAndKeepsItsFiles()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var jobs = site.Process(clouds, Lease);
        var (over, runsOn) = (await ReadyAsync(site, jobs), await ReadyAsync(site, jobs));
        await EndedAsync(database, over);

        await jobs.Get<EndTimes>().RunAsync(Cancel);
        await jobs.Get<EndTimes>().RunAsync(Cancel);
        await jobs.UntilSettledAsync(Cancel);

        var view = (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), over, Cancel))!;
        view.Status.ShouldBe(WorkspaceStatus.Stopped);
        view.Log.ShouldContain(l => l.Text.Contains("end time has come"));
        clouds.LeftOf(over).ShouldBeEmpty();
        clouds.Runs(runsOn).ShouldBeTrue();
        await using var db = database.Open();
        (await db.Runs.Where(r => r.WorkspaceId == over).OrderBy(r => r.Number).Select(r => r.Kind).ToListAsync(Cancel))
            .ShouldBe([RunKind.Launch, RunKind.Stop]);
        (await db.Workspaces.CountAsync(w => w.DeletedAt != null, Cancel)).ShouldBe(0);
        (await db.Reservations.CountAsync(r => r.EndedAt == null && r.Kind == Core.Quotas.ReservationKind.Storage, Cancel)).ShouldBe(1);
        // Already stopped: nothing is ordered again.
        await jobs.Get<EndTimes>().RunAsync(Cancel);
        (await NewestAsync(database, over)).Number.ShouldBe(2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task EndTimes_StillStartingAtItsEnd_IsStoppedNeverDeleted(bool claimed)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        clouds.Proof = _ => new Jobs.Proofs.ProofOutcome.NotYet("It is still starting.", WebUnavailable: false);
        await using var jobs = site.Process(clouds, Lease);
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        if (claimed)
        {
            await Task.WhenAll(await jobs.ClaimAsync(Cancel));
            clouds.Runs(order.Id).ShouldBeTrue();
        }
        await EndedAsync(database, order.Id);

        await jobs.Get<EndTimes>().RunAsync(Cancel);
        await jobs.UntilSettledAsync(Cancel);

        (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), order.Id, Cancel))!.Status.ShouldBe(WorkspaceStatus.Stopped);
        clouds.LeftOf(order.Id).ShouldBeEmpty();
        await using var db = database.Open();
        (await db.Runs.Where(r => r.WorkspaceId == order.Id).OrderBy(r => r.Number).Select(r => r.Kind).ToListAsync(Cancel))
            .ShouldBe([RunKind.Launch, RunKind.Stop]);
        (await db.Workspaces.SingleAsync(Cancel)).DeletedAt.ShouldBeNull();
    }

    [Fact]
    public async Task EndTimes_ItsRunEndsMeanwhile_OrdersAStopNextTimeInsteadOfARequestedRunThatNobodyReads()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(Clouds(), Lease);
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await EndedAsync(database, order.Id);
        // Found while still starting; its run ends at the same moment, under the workspace's lock as all runs do.
        await using var end = database.Open();
        await using var transaction = await end.Database.BeginTransactionAsync(Cancel);
        await Core.Data.Locks.LockWorkspaceAsync(end, order.Id, Cancel);
        await jobs.Get<EndTimes>().RunAsync(Cancel);
        await end.Database.ExecuteSqlAsync($"update portal.runs set phase = 'Succeeded', ended_at = clock_timestamp() where workspace_id = {order.Id}", Cancel);
        await transaction.CommitAsync(Cancel);
        await jobs.Get<EndTimes>().RunAsync(Cancel);

        (await NewestAsync(database, order.Id)).Kind.ShouldBe(RunKind.Stop);
        await using var db = database.Open();
        (await db.Workspaces.SingleAsync(Cancel)).RequestedRun.ShouldBeNull();
    }

    [Fact]
    public async Task Schedule_AtStart_IsExactlyTheseAndForgetsOthers()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(Clouds(), Lease);
        await DeclareAsync(jobs);
        await using var admin = NpgsqlDataSource.Create(database.Admin);
        await using (var old = admin.CreateCommand("""
            insert into hangfire.set (key, score, value) values ('recurring-jobs', 1, 'of-last-year');
            insert into hangfire.hash (key, field, value) values ('recurring-job:of-last-year', 'Cron', '* * * * *')
            """))
            await old.ExecuteNonQueryAsync(Cancel);

        await DeclareAsync(jobs);

        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await using var read = admin.CreateCommand("""
            select s.value, concat_ws(' ', job ->> 't', job ->> 'm', job ->> 'q', cron.value) from hangfire.set s
            join hangfire.hash cron on cron.key = 'recurring-job:' || s.value and cron.field = 'Cron'
            join lateral (select value::jsonb as job from hangfire.hash where key = cron.key and field = 'Job') j on true
            where s.key = 'recurring-jobs'
            """);
        await using var rows = await read.ExecuteReaderAsync(Cancel);
        while (await rows.ReadAsync(Cancel)) entries[rows.GetString(0)] = rows.GetString(1);
        entries.ShouldBe(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["idle"] = "Sweeps IdleAsync sweeps 20 * * * * *",
            ["metrics"] = "Sweeps MetricsAsync sweeps 40 * * * * *",
            ["orphans"] = "Sweeps OrphansAsync sweeps 10 * * * * *",
            ["retention"] = "Sweeps RetentionAsync sweeps 0 */10 * * * *",
        }, ignoreOrder: true);
    }

    [Fact]
    public async Task FrequentSweeps_FourTimesAMinute_StopWhatIsAtItsEndAndLookAtThePools_AlsoAfterAFault()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var jobs = site.Process(clouds, Lease);
        var id = await ReadyAsync(site, jobs);
        await EndedAsync(database, id);
        await database.ExecuteAsync($"alter table portal.pools rename to away; alter table portal.runs rename to runs_away", Cancel);
        var (clock, log) = (new FakeTimeProvider(TimeProvider.System.GetUtcNow()), new Warnings());
        using var sweeps = new FrequentSweeps(jobs.Get<Jobs.Sweeps.Sweeps>(), jobs.Get<CloudKits>(), clock, log);
        await sweeps.StartAsync(Cancel);
        await Until.TrueAsync("both sweeps have failed", () =>
        {
            clock.Advance(TimeSpan.FromSeconds(15));
            return Task.FromResult(log.Said.Select(s => s[..30]).Distinct(StringComparer.Ordinal).Count() == 2);
        }, Cancel);
        await database.ExecuteAsync($"alter table portal.away rename to pools; alter table portal.runs_away rename to runs", Cancel);
        clouds.IsUnavailable = true;

        await Until.TrueAsync("it is stopped, and the pool's state is recorded", async () =>
        {
            clock.Advance(TimeSpan.FromSeconds(15));
            await using var db = database.Open();
            return (await NewestAsync(database, id)).Kind == RunKind.Stop && !(await db.Pools.SingleAsync(Cancel)).Clusters.Ok;
        }, Cancel);

        sweeps.ExecuteTask!.IsCompleted.ShouldBeFalse();
        await sweeps.StopAsync(Cancel);
    }

    private sealed class Warnings : ILogger<FrequentSweeps>
    {
        public ConcurrentQueue<string> Said { get; } = new();

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Said.Enqueue(formatter(state, exception));

        public bool IsEnabled(LogLevel logLevel) => true;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
    }

    /// <summary>A process killed while it held Hangfire's lock leaves the lock's row; the next one
    /// works on its runs immediately, and registers jobs later.</summary>
    [Fact]
    public async Task Schedule_WhileALockOfAKilledProcessIsThere_HoldsUpNoStart()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(Clouds(), Lease);
        using var schedule = ActivatorUtilities.CreateInstance<Schedule>(jobs.Get<IServiceProvider>());
        using var killed = jobs.Get<JobStorage>().GetConnection();
        var left = killed.AcquireDistributedLock("lock:recurring-job:metrics", TimeSpan.FromSeconds(1));

        await schedule.StartAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(3), TimeProvider.System, Cancel);

        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Cancel);
        schedule.ExecuteTask!.IsCompleted.ShouldBeFalse("it waits for the lock");
        left.Dispose();
        await schedule.ExecuteTask.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System, Cancel);
    }

    private static async Task DeclareAsync(JobsProcess jobs)
    {
        using var schedule = ActivatorUtilities.CreateInstance<Schedule>(jobs.Get<IServiceProvider>());
        await schedule.StartAsync(Cancel);
        await schedule.ExecuteTask!;
    }

    internal static async Task<Guid> ReadyAsync(TestSite site, JobsProcess jobs)
    {
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        (await NewestAsync(site.Database, order.Id)).Phase.ShouldBe(RunPhase.Succeeded);
        return order.Id;
    }

    private static Task<int> EndedAsync(TestDatabase database, Guid id) =>
        database.ExecuteAsync($"update portal.workspaces set end_at = clock_timestamp() - interval '1 second' where id = {id}", Cancel);

    private static async Task<Run> NewestAsync(TestDatabase database, Guid id)
    {
        await using var db = database.Open();
        return await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
    }
}
