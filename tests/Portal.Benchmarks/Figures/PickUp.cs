using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.Benchmarks.Figures;

/// <summary>From the commit of an order, as the database records it, to a worker taking the run. Each launch
/// is cancelled immediately, so that the next finds a quiet installation.</summary>
internal sealed class PickUp() : Figure("pickup")
{
    private const double Goal = 50;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        var since = Bench.Now;
        for (var i = bench.Times(150, 10); i > 0; i--)
        {
            var order = bench.It.Site.Order(bench.Student, bench.NewName());
            if (await bench.It.Site.Get<LaunchWorkspace>().RunAsync(order, cancel) is not LaunchOutcome.Accepted)
                throw new InvalidOperationException("An order was not accepted.");
            await Until.TrueAsync("a worker took the run",
                async () => await bench.ScalarAsync<bool>(
                    "select exists (select from portal.run_steps s join portal.runs r on r.id = s.run_id where r.workspace_id = $1)", cancel,
                    order.Id), cancel);
            await bench.DeleteAsync(order.Id, cancel);
        }
        // The audit row is written with the order and never again, so its transaction is the order's.
        bench.Report.Tail("order committed → taken by a worker", await bench.SeriesAsync("""
            select 1000 * extract(epoch from s.began_at - pg_xact_commit_timestamp(a.xmin))::float8
            from portal.audit a join portal.runs r on r.workspace_id = a.workspace_id and r.kind = 'Launch' and r.number = 1
            join portal.run_steps s on s.run_id = r.id and s.key = 'CheckOrder'
            where a.verb = 'LaunchWorkspace' and a.at >= $1
            """, cancel, since), "ms", Goal);
    }
}
