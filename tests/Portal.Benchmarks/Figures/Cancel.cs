using Portal.Core.Workspaces;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// From the commit of a requested Delete of a waiting launch to the end of that launch. The launches wait as after a cloud that was unavailable:
/// the rows are set to what such a wait leaves behind, due in an hour, while Jobs is not running.
/// </summary>
internal sealed class Cancel() : Figure("cancel")
{
    private const double Goal = 100;
    private const int AtOnce = 50;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        var since = Bench.Now;
        for (var left = bench.Times(150, 10); left > 0; left -= AtOnce)
        {
            var waiting = await WaitingAsync(bench, Math.Min(AtOnce, left), cancel);
            foreach (var id in waiting) await bench.DeleteAsync(id, cancel);
        }
        bench.Report.Tail("requested run committed → waiting run ended", await bench.SeriesAsync("""
            select 1000 * extract(epoch from r.ended_at - pg_xact_commit_timestamp(a.xmin))::float8
            from portal.audit a join portal.runs r on r.workspace_id = a.workspace_id and r.kind = 'Launch' and r.phase = 'Cancelled' and r.attempts = 1
            where a.verb = 'DeleteWorkspace' and a.at >= $1
            """, cancel, since), "ms", Goal);
    }

    private static async Task<IReadOnlyList<Guid>> WaitingAsync(Bench bench, int number, CancellationToken cancel)
    {
        bench.It.Jobs.Kill();
        var orders = Enumerable.Range(0, number + 1).Select(_ => bench.It.Site.Order(bench.Student, bench.NewName())).ToList();
        foreach (var order in orders)
            if (await bench.It.Site.Get<LaunchWorkspace>().RunAsync(order, cancel) is not LaunchOutcome.Accepted)
                throw new InvalidOperationException("An order was not accepted.");
        var ids = orders.Select(o => o.Id).ToArray();
        await bench.It.Database.ExecuteAsync($"""
            update portal.runs set phase = 'Waiting', due_at = clock_timestamp() + interval '1 hour', admitted_at = clock_timestamp(),
              attempts = 1, message = 'The engine is away.'
            where workspace_id = any({ids})
            """, cancel);
        bench.It.Jobs.Start();
        // Startup is not measured. No launch shows that Jobs is working, because the waiting ones use up the limit on launches at once.
        await bench.It.Database.ExecuteAsync($"update portal.runs set attempts = 2 where workspace_id = {ids[0]}", cancel);
        await bench.DeleteAsync(ids[0], cancel);
        return ids[1..];
    }
}
