using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.Metrics;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Sweeps;

/// <summary>
/// Stops, never deletes, workspaces that were idle for as long as their class allows. Pages derive the warning from the same facts. A workspace that
/// something else holds, or that cannot be stopped, is left for the next time, and holds up no other.
/// </summary>
public sealed class Idle(IDbContextFactory<PortalDb> databases, RunStore runs, TimeProvider clock, ILogger<Idle> log)
{
    private const int Most = 500;

    public async Task RunAsync(CancellationToken cancel)
    {
        List<Guid> candidates;
        await using (var db = await databases.CreateDbContextAsync(cancel))
        {
            // A cheap filter first: a workspace active within the shortest rule is not a candidate.
            var quiet = clock.GetUtcNow().AddMinutes(-IdlePolicy.Shortest);
            candidates = await (from w in db.Workspaces
                                join c in db.Classes on w.ClassId equals c.Id
                                // a released workspace has no address
                                where w.DeletedAt == null && w.RequestedRun == null && c.IdleMinutes != null && w.ActiveAt < quiet && w.Subnet != null
                                orderby w.ActiveAt
                                select w.Id).Take(Most).ToListAsync(cancel);
        }
        var stopped = false;
        foreach (var id in candidates)
        {
            try { stopped |= await DecideAsync(id, cancel); }
            catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
            {
                log.LogWarning("Workspace {Workspace} could not be checked for being idle: {Error}", id, e.Message);
            }
        }
        if (stopped) await runs.WakeDispatcherAsync(cancel);
    }

    /// <summary>Under the workspace's lock, from facts read under it: a click to keep it is either seen here or too late.</summary>
    private async Task<bool> DecideAsync(Guid id, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (!await db.TryLockWorkspaceAsync(id, cancel)) return false;
        var row = await (from w in db.Workspaces.AsNoTracking()
                         join c in db.Classes on w.ClassId equals c.Id
                         from r in db.Set<Run>().Where(r => r.WorkspaceId == w.Id).OrderByDescending(r => r.Number).Take(1)
                         where w.Id == id && w.DeletedAt == null && w.RequestedRun == null && r.EndedAt != null
                         select new
                         {
                             w,
                             c.IdleMinutes,
                             r.EndedAt,
                             r.Number,
                             LookedAt = db.Set<Count>().Where(x =>
                                 x.WorkspaceId == id && x.Span == (int)Spans.RawCounts.TotalSeconds && x.Name == CountNames.Signals)
                                 .Max(x => (DateTimeOffset?)x.At)
                         })
            .SingleOrDefaultAsync(cancel);
        // A Resize that failed or was cancelled has left it running.
        if (row is null || await db.LifecycleRunAsync(id, cancel) is not { } lifecycle || !lifecycle.IsUp()) return false;
        var activity = row.w.ActiveAt is { } at ? new Activity(at, row.w.ActiveBy) : null;
        if (IdlePolicy.Decide(
            new(clock.GetUtcNow(), row.IdleMinutes, row.EndedAt!.Value, activity, row.LookedAt, row.w.KeepUntil)) is not IdleDecision.Stop stop)
            return false;
        // Raw SQL, because this role may write no other column of a run.
        await db.Database.ExecuteSqlAsync($"insert into portal.runs (workspace_id, number, kind) values ({id}, {row.Number + 1}, 'Stop')", cancel);
        await db.Database.ExecuteSqlAsync($"insert into portal.log_lines (workspace_id, severity, text) values ({id}, 'Warn', {Why(stop, activity!)})", cancel);
        await transaction.CommitAsync(cancel);
        return true;
    }

    private static string Why(IdleDecision.Stop stop, Activity last)
    {
        var known = last.By is { } by && !by.StartsWith(IdlePolicy.Unknown, StringComparison.Ordinal)
            ? $" (last activity: {by.Replace(",", " and ", StringComparison.Ordinal)}, at {last.At:HH:mm} UTC)"
            : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"It has been idle for {stop.Idle.TotalMinutes:0} minutes{known} and is being stopped; the files are kept.");
    }
}
