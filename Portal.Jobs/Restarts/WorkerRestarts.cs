using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;
using Portal.Jobs.Steps;
using Portal.Jobs.Watch;

namespace Portal.Jobs.Restarts;

/// <summary>
/// Automatic restarts: recreates workers that exited on their own, from the same plan, a bounded number of times. Under the workspace's lock and only
/// while no run is unfinished, so that it never races one. Other nodes are left to the owner: a restarted notebook has lost its results.
/// </summary>
public sealed class WorkerRestarts(
    IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, ClusterPlans plans, RunFactsReader facts, NodeRows rows,
    CloudKits kits, RunOptions options, TimeProvider clock, ILogger<WorkerRestarts> log) : BackgroundService
{
    private const int Most = 100, AtOnce = 8, Looks = 20;
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(4), BetweenLooks = TimeSpan.FromMilliseconds(250);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => kits.EachAsync(kit => AgainAsync(kit, stoppingToken));

    private async Task AgainAsync(CloudKit kit, CancellationToken stopping)
    {
        using var tick = new PeriodicTimer(Every, clock);
        while (await tick.WaitForNextTickAsync(stopping))
        {
            try { await RunAsync(kit, stopping); }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested) { return; }
            catch (Exception e) { log.LogWarning("Automatic restarts of workers in pool {Pool} failed: {Error}", kit.Key, e.Message); }
        }
    }

    /// <summary>One pass over all workspaces in which only a worker is not running, each pool on its own.</summary>
    public Task RunAsync(CancellationToken cancel) => kits.EachAsync(kit => RunAsync(kit, cancel));

    /// <summary>The same in one pool. Queries only the database until one is found.</summary>
    private async Task RunAsync(CloudKit kit, CancellationToken cancel)
    {
        await Parallel.ForEachAsync(await SickAsync(kit, cancel), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel },
            async (id, _) =>
        {
            try { await RestartAsync(id, cancel); }
            catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
            {
                log.LogWarning("A worker of workspace {Workspace} could not be restarted: {Error}", id, e.Message);
            }
        });
    }

    /// <summary>Leaves out those that used up their restarts until their period is over: they would take the places of others.</summary>
    private async Task<IReadOnlyList<Guid>> SickAsync(CloudKit kit, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Database.SqlQuery<Guid>($"""
            select w.id as "Value" from portal.workspaces w
            join portal.template_versions t on t.id = w.template_version_id
            join portal.tenants d on d.id = w.tenant_id and d.pool_key = {kit.Key}
            join lateral (select max(r ->> 'name') filter (where jsonb_typeof(r -> 'workers') = 'object') as worker,
                                 sum(coalesce((r ->> 'count')::int, 1)) filter (where jsonb_typeof(r -> 'workers') is distinct from 'object') as singles
                          from jsonb_array_elements(t.spec -> 'roles') r) roles on true
            join lateral (select count(*) filter (where n.role = roles.worker) as workers, count(*) filter (where n.role <> roles.worker) as singles
                          from portal.nodes n where n.workspace_id = w.id and n.generation = w.generation and n.running) runs on true
            where w.workers > 0 and w.deleted_at is null and w.subnet is not null and runs.workers < w.workers and runs.singles = roles.singles
              and not exists (select 1 from portal.runs r where r.workspace_id = w.id and r.phase not in ('Succeeded', 'Failed', 'Cancelled'))
              and not ((select a.outcome from portal.audit a where a.workspace_id = w.id and a.verb = {AutomaticRestarts.Verb} order by a.id desc limit 1)
                  is not distinct from {AutomaticRestarts.GivenUp}
                and (select count(*) from portal.audit a
                  where a.workspace_id = w.id and a.verb = {AutomaticRestarts.Verb} and a.outcome = {AutomaticRestarts.Again}
                    and a.at > clock_timestamp() - {options.RestartWindow}) >= {options.MostRestarts})
            order by w.id limit {Most}
            """).ToListAsync(cancel);
    }

    private async Task RestartAsync(Guid id, CancellationToken stopping)
    {
        await using var still = await LongLock.TryOfWorkspaceAsync(data, id, clock, stopping);
        if (still is null) return; // seen again at the next tick
        var cancel = still.Token;
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (await db.Runs.AnyAsync(r => r.WorkspaceId == id && !RunPhases.Finished.Contains(r.Phase), cancel)) return;
        if (await db.LifecycleRunAsync(id, cancel) is not { } lifecycle || !lifecycle.IsUp()) return;
        var may = await MayAsync(id, cancel);
        if (!may && await LastAsync(id, cancel) == AutomaticRestarts.GivenUp) return;
        var known = await facts.ReadAsync(id, cancel);
        var cluster = await known.Kit.Clusters.LookAsync(id, cancel);
        await rows.SeeAsync(id, cluster, cancel);
        var seen = cluster?.Nodes.Where(n => n.Generation == known.Workspace.Generation).GroupBy(n => n.Name, StringComparer.Ordinal)
            .ToDictionary(n => n.Key, n => n.First(), StringComparer.Ordinal) ?? [];
        var ended = known.Nodes.Where(n => seen.GetValueOrDefault(n.Name) is not { State: NodeState.Running }).ToList();
        if (ended.Count == 0 || ended.Exists(n => n.Role.Workers is null)) return;
        if (ended.Exists(n => seen.GetValueOrDefault(n.Name) is { State: NodeState.Building }))
        {
            await GoOnAsync(known, cancel);
            return;
        }
        if (may) await AgainLockedAsync(known, ended, seen, cancel);
        else await GiveUpAsync(known, ended, cancel);
    }

    /// <summary>Whether the limit allows one more; counted by the database's clock over all processes.</summary>
    private async Task<bool> MayAsync(Guid id, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Database.SqlQuery<int>($"""
            select count(*)::int as "Value" from portal.audit
            where workspace_id = {id} and verb = {AutomaticRestarts.Verb} and outcome = {AutomaticRestarts.Again}
              and at > clock_timestamp() - {options.RestartWindow}
            """).SingleAsync(cancel) < options.MostRestarts;
    }

    private async Task<string?> LastAsync(Guid id, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await db.Audit.AsNoTracking()
            .Where(a => a.WorkspaceId == id && a.Verb == AutomaticRestarts.Verb)
            .OrderByDescending(a => a.Id)
            .Select(a => a.Outcome)
            .FirstOrDefaultAsync(cancel);
    }

    private async Task AgainLockedAsync(RunFacts known, IReadOnlyList<NodeShape> ended, Dictionary<string, NodeStatus> seen, CancellationToken cancel)
    {
        var now = known.Workspace;
        var names = ended.Select(n => n.Name).ToList();
        var access = await plans.AllowAsync(known, now, cancel);
        if (access.Missing is not null) return; // tried again at the next tick, and uses up no restart; nor does an image that is being rebuilt
        var plan = plans.Make(known, now, access) with { KeepsWhatIsThere = true };
        // Recorded and counted before anything is done: a crash in between has used up one restart.
        await using (var db = await databases.CreateDbContextAsync(cancel))
        {
            foreach (var node in ended)
            {
                var times = await rows.BeginAgainAsync(now.Id, node.Name, node.Role.Name, now.Generation, cancel);
                db.LogLines.Add(new()
                {
                    WorkspaceId = now.Id,
                    Severity = LogLineSeverity.Warn,
                    Text = $"The worker {node.Name} stopped unexpectedly ({Why(seen.GetValueOrDefault(node.Name))}) "
                        + $"and is being restarted (restart {times} since the workspace started)."
                });
            }
            db.Audit.Add(new() { TenantId = now.TenantId, Verb = AutomaticRestarts.Verb, WorkspaceId = now.Id, Outcome = AutomaticRestarts.Again });
            await db.SaveChangesAsync(cancel);
        }
        await known.Kit.Clusters.RemoveNodesAsync(now.Id, names, cancel);
        for (var looks = Looks; (await known.Kit.Clusters.LookAsync(now.Id, cancel))?.Nodes.Any(n => names.Contains(n.Name)) == true; looks--)
        {
            if (looks == 0) return; // still stopping: seen again at the next tick
            await Task.Delay(BetweenLooks, clock, cancel);
        }
        await known.Kit.Clusters.EnsureAsync(plan, cancel);
        await rows.SeeAsync(now.Id, await known.Kit.Clusters.LookAsync(now.Id, cancel), cancel);
    }

    /// <summary>A restart that was counted before is still under way: the cloud is asked to go on, which uses up no other.</summary>
    private async Task GoOnAsync(RunFacts known, CancellationToken cancel)
    {
        var access = await plans.AllowAsync(known, known.Workspace, cancel);
        if (access.Missing is not null) return;
        await known.Kit.Clusters.EnsureAsync(plans.Make(known, known.Workspace, access) with { KeepsWhatIsThere = true }, cancel);
        await rows.SeeAsync(known.Workspace.Id, await known.Kit.Clusters.LookAsync(known.Workspace.Id, cancel), cancel);
    }

    /// <summary>Recorded once; when the period is over, restarts are tried again.</summary>
    private async Task GiveUpAsync(RunFacts known, IReadOnlyList<NodeShape> ended, CancellationToken cancel)
    {
        var now = known.Workspace;
        await using var db = await databases.CreateDbContextAsync(cancel);
        db.LogLines.Add(new()
        {
            WorkspaceId = now.Id,
            Severity = LogLineSeverity.Fail,
            Text = $"{string.Join(", ", ended.Select(n => n.Name))} stopped unexpectedly again. "
                + $"Workers were restarted {options.MostRestarts} times within {options.RestartWindow.TotalMinutes:0} minutes, "
                + "so automatic restarts are paused for now. "
                + "Process less data at a time, or stop the workspace and start it with a larger size.",
        });
        db.Audit.Add(new() { TenantId = now.TenantId, Verb = AutomaticRestarts.Verb, WorkspaceId = now.Id, Outcome = AutomaticRestarts.GivenUp });
        await db.SaveChangesAsync(cancel);
    }

    private static string Why(NodeStatus? node) => node switch
    {
        null => "it was removed from outside the portal",
        { OutOfMemory: true } => "out of memory",
        { State: NodeState.Created } => "it did not start",
        { State: NodeState.Broken } => node.Reason ?? "its cloud lost it",
        _ => $"exit code {node.ExitCode?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unknown"}",
    };
}
