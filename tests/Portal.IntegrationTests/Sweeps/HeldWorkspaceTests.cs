using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Data;
using Portal.Core.Metrics;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Sweeps;

/// <summary>
/// A workspace that something else holds, such as an automatic restart in a pool that hangs, or that cannot be stopped: the sweeps that stop workspaces
/// leave it for the next time and go on with the others.
/// </summary>
public sealed class HeldWorkspaceTests
{
    private static readonly TimeSpan Promptly = TimeSpan.FromSeconds(10);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(typeof(EndTimes))]
    [InlineData(typeof(Idle))]
    public async Task Sweep_OneIsHeld_StopsTheOthersAndThatNextTime(Type sweep)
    {
        await using var it = await Two.CreateAsync();
        await using (var busy = it.Database.Open())
        {
            await using var transaction = await busy.Database.BeginTransactionAsync(Cancel);
            await busy.LockWorkspaceAsync(it.First, Cancel);

            await it.SweepAsync(sweep).WaitAsync(Promptly, TimeProvider.System, Cancel);

            (await it.NewestAsync(it.First), await it.NewestAsync(it.Second)).ShouldBe((RunKind.Launch, RunKind.Stop));
        }
        await it.SweepAsync(sweep);
        (await it.NewestAsync(it.First)).ShouldBe(RunKind.Stop);
    }

    [Theory]
    [InlineData(typeof(EndTimes))]
    [InlineData(typeof(Idle))]
    public async Task Sweep_OneCannotBeStopped_StopsTheOthers(Type sweep)
    {
        await using var it = await Two.CreateAsync();
        await it.RefuseAsync(it.First);

        await it.SweepAsync(sweep);

        (await it.NewestAsync(it.First), await it.NewestAsync(it.Second)).ShouldBe((RunKind.Launch, RunKind.Stop));
    }

    /// <summary>Even without the lock under which only one process sweeps.</summary>
    [Theory]
    [InlineData(typeof(EndTimes))]
    [InlineData(typeof(Idle))]
    public async Task Sweep_SeveralAtTheSameTime_StopEachOnce(Type sweep)
    {
        await using var it = await Two.CreateAsync();

        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Task.Run(() => it.SweepAsync(sweep), Cancel)));
        await it.SweepAsync(sweep);

        await using var db = it.Database.Open();
        (await db.Runs.GroupBy(r => new { r.WorkspaceId, r.Kind }).Select(g => g.Count()).ToListAsync(Cancel)).ShouldBe([1, 1, 1, 1]);
    }

    /// <summary>Two ready workspaces that are both at their end and idle, the first for longer.</summary>
    private sealed class Two : IAsyncDisposable
    {
        private TestSite _site = null!;
        private JobsProcess _jobs = null!;

        public TestDatabase Database { get; private set; } = null!;
        public Guid First { get; private set; }
        public Guid Second { get; private set; }

        public static async Task<Two> CreateAsync()
        {
            var it = new Two { Database = await TestDatabase.CreateAsync(Cancel) };
            it._site = await TestSite.CreateAsync(it.Database, 1, new(8, 8192, 10, 10), Cancel);
            it._jobs = it._site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
            (it.First, it.Second) = (await SweepTests.ReadyAsync(it._site, it._jobs), await SweepTests.ReadyAsync(it._site, it._jobs));
            await it.Database.ExecuteAsync($"update portal.classes set idle_minutes = 60", Cancel);
            await it.Database.ExecuteAsync($"update portal.runs set ended_at = now() - interval '5 hours'", Cancel);
            await it.AgeAsync(it.First, 200);
            await it.AgeAsync(it.Second, 100);
            return it;
        }

        private async Task AgeAsync(Guid id, int minutes)
        {
            var then = TimeProvider.System.GetUtcNow().AddMinutes(-minutes);
            await Database.ExecuteAsync($"update portal.workspaces set end_at = {then}, active_at = {then}, active_by = 'kernels' where id = {id}", Cancel);
            await using var db = Database.Open();
            db.Counts.Add(new() { WorkspaceId = id, Name = CountNames.Signals, At = Spans.Begin(TimeProvider.System.GetUtcNow(), Spans.RawCounts), Span = 15 });
            await db.SaveChangesAsync(Cancel);
        }

        public Task SweepAsync(Type sweep) => sweep == typeof(Idle) ? _jobs.Get<Idle>().RunAsync(Cancel) : _jobs.Get<EndTimes>().RunAsync(Cancel);

        public async Task<RunKind> NewestAsync(Guid id)
        {
            await using var db = Database.Open();
            return await db.Runs.Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).Select(r => r.Kind).FirstAsync(Cancel);
        }

        /// <summary>The database takes no other run of it.</summary>
        public async Task RefuseAsync(Guid id)
        {
            await using var admin = NpgsqlDataSource.Create(Database.Admin);
            await using var refuse = admin.CreateCommand($"alter table portal.runs add constraint no_more check (workspace_id <> '{id}') not valid");
            await refuse.ExecuteNonQueryAsync(Cancel);
        }

        public async ValueTask DisposeAsync()
        {
            await _jobs.DisposeAsync();
            await _site.DisposeAsync();
            await Database.DisposeAsync();
        }
    }
}
