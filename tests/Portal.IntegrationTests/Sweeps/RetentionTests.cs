using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Sweeps;

/// <summary>One row of each kind on either side of its retention: the older is deleted, the younger stays.</summary>
public sealed class RetentionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Retention_RowsPastTheirTime_GoAndNothingElse()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        var (kept, deleted) = (site.Order(site.Students[0]), site.Order(site.Students[0]));
        foreach (var order in (LaunchRequest[])[kept, deleted])
            (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await database.ExecuteAsync($"delete from portal.log_lines", Cancel);
        var (w, d, p) = (kept.Id, deleted.Id, site.Students[0]);
        await database.ExecuteAsync($"update portal.workspaces set deleted_at = clock_timestamp() - interval '31 days' where id = {d}", Cancel);
        await database.ExecuteAsync($"""
            insert into portal.sessions (hash, person_id, expires_at)
            values ('old', {p}, clock_timestamp() - interval '1 second'), ('young', {p}, clock_timestamp() + interval '1 minute')
            """, Cancel);
        await database.ExecuteAsync($"""
            insert into portal.app_sessions (hash, workspace_id, generation, app, person_id, expires_at)
            values ('old', {w}, 1, 'lab', {p}, clock_timestamp() - interval '1 second'),
              ('young', {w}, 1, 'lab', {p}, clock_timestamp() + interval '1 minute')
            """, Cancel);
        await database.ExecuteAsync($"""
            insert into portal.app_tickets (hash, workspace_id, app, person_id, expires_at)
            values ('old', {w}, 'lab', {p}, clock_timestamp() - interval '11 minutes'),
              ('young', {w}, 'lab', {p}, clock_timestamp() - interval '9 minutes')
            """, Cancel);
        await database.ExecuteAsync($"""
            insert into portal.subnets (block, workspace_id, released_at)
            values ('old', {w}, clock_timestamp() - interval '61 minutes'), ('young', {w}, clock_timestamp() - interval '59 minutes'), ('held', {w}, null)
            """, Cancel);
        await database.ExecuteAsync($"""
            insert into portal.log_lines (workspace_id, severity, text, at)
            values ({w}, 'Info', 'old', clock_timestamp() - interval '181 days'),
              ({w}, 'Info', 'young', clock_timestamp() - interval '179 days'),
              ({d}, 'Info', 'of the deleted', clock_timestamp() - interval '32 days')
            """, Cancel);
        var (runs, audit, reservations) = await KeptForEverAsync(database);

        await jobs.Get<Retention>().RunAsync(Cancel);

        await using var db = database.Open();
        (await db.Sessions.Select(s => s.Hash).ToListAsync(Cancel)).ShouldBe(["young"]);
        (await db.AppSessions.Select(s => s.Hash).ToListAsync(Cancel)).ShouldBe(["young"]);
        (await db.AppTickets.Select(s => s.Hash).ToListAsync(Cancel)).ShouldBe(["young"]);
        (await db.Subnets.OrderBy(s => s.Block).Select(s => s.Block).ToListAsync(Cancel)).ShouldBe(["held", "young"]);
        (await db.LogLines.Select(l => l.Text).ToListAsync(Cancel)).ShouldBe(["young"]);
        (await KeptForEverAsync(database)).ShouldBe((runs, audit, reservations));
        runs.ShouldBe(2);
    }

    private static async Task<(int Runs, int Audit, int Reservations)> KeptForEverAsync(TestDatabase database)
    {
        await using var db = database.Open();
        return (await db.Runs.CountAsync(Cancel), await db.Audit.CountAsync(Cancel), await db.Reservations.CountAsync(Cancel));
    }
}
