using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Runs;

/// <summary>
/// Admits queued runs while there is capacity: the only place that claims capacity. First come, first served in each pool: an order at the head
/// that does not fit yet is not overtaken by a smaller one.
/// </summary>
public sealed class Admission(IDbContextFactory<PortalDb> databases)
{
    private const int AtOnce = 100;
    private const long OneDispatcher = 7401;

    /// <summary>Number of runs admitted.</summary>
    public async Task<int> RunAsync(CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (!await db.Runs.AnyAsync(r => r.Phase == RunPhase.Queued, cancel)) return 0;
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock({OneDispatcher})", cancel);
        // Runs that release or shrink need no capacity, nor does one that will be cancelled when it is first claimed.
        var admitted = await db.Database.ExecuteSqlAsync($"""
            update portal.runs r set phase = 'Waiting', due_at = clock_timestamp(), admitted_at = clock_timestamp() from portal.workspaces w
            where w.id = r.workspace_id and r.phase = 'Queued'
              and (r.kind in ('Stop', 'Delete') or w.requested_run in ('Stop', 'Delete') or (w.requested_run = 'Resize' and r.kind = 'Resize')
                or (r.kind = 'Resize' and coalesce(r.workers, 0) <= w.workers))
            """, cancel);
        var claimed = await db.ClaimedAsync(cancel);
        var pools = (await db.Pools.AsNoTracking().Where(p => p.CapacityVcpu > 0).ToListAsync(cancel)).ToLookup(p => p.CloudKey, StringComparer.Ordinal);
        var starting = await db.StartingAsync(cancel);
        foreach (var cloud in await db.Clouds.AsNoTracking().OrderBy(c => c.Key).ToListAsync(cancel))
        {
            var launches = CapacityReader.Launches(cloud, pools[cloud.Key].Select(p => p.Key), starting);
            var open = pools[cloud.Key].Where(p => launches.MayStart(p.Key)).ToList();
            if (open.Count == 0) continue;
            var capacity = pools[cloud.Key].ToDictionary(p => p.Key, p => new PoolCapacity(p.Capacity, claimed.GetValueOrDefault(p.Key, Amounts.None)),
                StringComparer.Ordinal);
            var queue = new List<QueuedOrder>();
            foreach (var pool in open) queue.AddRange(await QueuedAsync(db, pool.Key, pool.Machines, cancel));
            foreach (var order in AdmissionPolicy.Admit(launches, capacity, [.. queue.OrderBy(o => o.RunId)]))
            {
                await db.Database.ExecuteSqlAsync($"""
                    update portal.runs set phase = 'Waiting', due_at = clock_timestamp(), admitted_at = clock_timestamp()
                    where id = {order.RunId} and phase = 'Queued'
                    """, cancel);
                foreach (var node in order.Nodes)
                    await db.Database.ExecuteSqlAsync($"""
                        insert into portal.capacity_claims (pool_key, workspace_id, run_id, node, vcpu, memory_mib)
                        values ({order.Pool}, {order.WorkspaceId}, {order.RunId}, {node.Name}, {node.Wanted.Vcpu}, {node.Wanted.MemoryMib})
                        """, cancel);
                admitted++;
            }
        }
        await transaction.CommitAsync(cancel);
        return admitted;
    }

    /// <summary>The head of a pool's queue. Amounts come from the published version, not from the order, and are what its nodes occupy.</summary>
    private static async Task<ImmutableArray<QueuedOrder>> QueuedAsync(PortalDb db, string pool, Machines machines, CancellationToken cancel)
    {
        var rows = await (from r in db.Runs
                          join w in db.Workspaces on r.WorkspaceId equals w.Id
                          join t in db.TemplateVersions on r.TemplateVersionId ?? w.TemplateVersionId equals t.Id
                          join tenant in db.Tenants on w.TenantId equals tenant.Id
                          where tenant.PoolKey == pool && r.Phase == RunPhase.Queued && RunKinds.Queued.Contains(r.Kind)
                          orderby r.Id
                          select new
                          {
                              r.Id,
                              Workspace = w.Id,
                              SizeId = r.Kind == RunKind.Resize ? w.SizeId : r.SizeId ?? w.SizeId,
                              Workers = r.Workers ?? w.Workers,
                              t.Spec
                          }).AsNoTracking().Take(AtOnce).ToListAsync(cancel);
        if (rows.Count == 0) return [];
        var workspaces = rows.ConvertAll(r => r.Workspace);
        var held = (await db.CapacityClaims
            .Where(c => c.EndedAt == null && workspaces.Contains(c.WorkspaceId))
            .Select(c => new { c.WorkspaceId, c.Node, c.Vcpu, c.MemoryMib })
            .ToListAsync(cancel)).ToLookup(c => c.WorkspaceId);
        // An order for something that the version does not have is admitted with nothing: the run's first step refuses it.
        return [.. rows.Select(r => new QueuedOrder(r.Id, r.Workspace, pool,
            [.. (r.Spec.Allows(r.Workers) ? r.Spec.Nodes(r.SizeId, r.Workers) : [])
                .Where(n => held[r.Workspace].All(h => h.Node != n.Name))
                .Select(n => new NodeOrder(n.Name, machines.Occupied(n.Limits)))])
        { Held = held[r.Workspace].Aggregate(Amounts.None, (sum, h) => sum + new Amounts(h.Vcpu, h.MemoryMib, 0, 0)) })];
    }
}
