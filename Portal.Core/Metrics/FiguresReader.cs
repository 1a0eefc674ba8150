using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Metrics;

/// <summary>What a monitoring system reads about the whole installation. Workspaces appear by slug and template; people's names do not.</summary>
/// <param name="Nodes">The running ones, with their newest reading.</param>
/// <param name="Counts">The newest count of kernels, terminals and each count of a compute engine.</param>
/// <param name="Activities">Time of the last activity in each running workspace.</param>
/// <param name="Runs">Unfinished ones by kind and phase.</param>
/// <param name="Claimed">By pool: the part of its capacity used by what is running or starting.</param>
public sealed record Figures(ImmutableArray<NodeFigures> Nodes, ImmutableArray<CountFigures> Counts, ImmutableArray<ActivityFigures> Activities,
    ImmutableArray<RunFigures> Runs, ImmutableArray<Pool> Pools, IReadOnlyDictionary<string, Amounts> Claimed);

/// <summary>
/// Newest reading of a node: shares of its limits, bytes, bytes per second; network and disk are null if not measured within a minute,
/// scratch if its role has no scratch folder.
/// </summary>
public sealed record NodeFigures(
    string Slug, string Template, string Node, double Cpu, double Throttled, long MemoryBytes, long MemoryLimitBytes, long OutOfMemoryKills,
    int Restarts, int Pids,
    double? NetIn, double? NetOut, double? DiskRead, double? DiskWritten, long? ScratchBytes, long? ScratchLimitBytes);

public sealed record CountFigures(string Slug, string Template, string Name, double Value);

/// <param name="At">Seconds since 1970.</param>
public sealed record ActivityFigures(string Slug, string Template, double At);

public sealed record RunFigures(RunKind Kind, RunPhase Phase, int Number);

/// <summary>Reads <see cref="Figures"/> with six statements, whatever the number of workspaces. The endpoint decides who may read them.</summary>
public sealed class FiguresReader(IDbContextFactory<PortalDb> databases)
{
    /// <summary>Limit on nodes and on counts: more than such a site ever has.</summary>
    private const int Most = 10_000;

    public async Task<Figures> ReadAsync(CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var nodes = await db.Database.SqlQuery<NodeFigures>($"""
            select w.slug, t.template_id as template, n.name as node, coalesce(n.cpu_history[cardinality(n.cpu_history)], 0) as cpu,
              n.throttled, n.memory_bytes, n.memory_limit_bytes,
              n.out_of_memory_kills, n.restarts, n.pids, s.net_in / s.span::float8 as net_in, s.net_out / s.span::float8 as net_out,
              s.disk_read / s.span::float8 as disk_read, s.disk_written / s.span::float8 as disk_written,
              case when scratch.gib > 0 then n.scratch_bytes end as scratch_bytes, nullif(scratch.gib, 0) << 30 as scratch_limit_bytes
            from portal.nodes n join portal.workspaces w on w.id = n.workspace_id join portal.template_versions t on t.id = w.template_version_id
            left join lateral (select * from portal.samples s
              where s.workspace_id = n.workspace_id and s.node = n.name and s.span = {(int)Spans.Raw.TotalSeconds}
                and s.at > clock_timestamp() - interval '1 minute' order by s.at desc limit 1) s on true
            left join lateral (select (r ->> 'scratchGib')::bigint as gib from jsonb_array_elements(t.spec -> 'roles') r
              where r ->> 'name' = n.role) scratch on true
            where n.running order by w.slug, n.name limit {Most}
            """).ToListAsync(cancel);
        var counts = await db.Database.SqlQuery<CountFigures>($"""
            select distinct on (w.slug, c.name) w.slug, t.template_id as template, c.name, c.value
            from portal.counts c join portal.workspaces w on w.id = c.workspace_id join portal.template_versions t on t.id = w.template_version_id
            where c.span = {(int)Spans.RawCounts.TotalSeconds} and c.at > clock_timestamp() - interval '1 minute' and c.name <> {CountNames.Signals}
            order by w.slug, c.name, c.at desc limit {Most}
            """).ToListAsync(cancel);
        var activities = await db.Database.SqlQuery<ActivityFigures>($"""
            select w.slug, t.template_id as template, extract(epoch from w.active_at)::float8 as at
            from portal.workspaces w join portal.template_versions t on t.id = w.template_version_id
            where w.active_at is not null and exists (select from portal.nodes n where n.workspace_id = w.id and n.running) order by w.slug limit {Most}
            """).ToListAsync(cancel);
        var runs = await db.Runs.Where(r => r.Phase != RunPhase.Succeeded && r.Phase != RunPhase.Failed && r.Phase != RunPhase.Cancelled)
            .GroupBy(r => new { r.Kind, r.Phase }).Select(g => new RunFigures(g.Key.Kind, g.Key.Phase, g.Count())).ToListAsync(cancel);
        return new([.. nodes], [.. counts], [.. activities], [.. runs],
            [.. await db.Pools.AsNoTracking().OrderBy(p => p.Key).ToListAsync(cancel)], await db.ClaimedAsync(cancel));
    }
}
