using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Core.Metrics;

/// <summary>The history of one workspace, for people who may see it.</summary>
public sealed class MetricsReader(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    /// <summary>Maximum number of points per node and per count, however long the window.</summary>
    public const int MostPoints = 181;

    /// <summary>Null if there is no such workspace, or none that this actor may see.</summary>
    public async Task<MetricsView?> ReadAsync(Actor actor, Guid workspaceId, MetricsWindow window, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var workspace = await (from w in db.Workspaces.AsNoTracking()
                               join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                               where w.Id == workspaceId
                               select new { w.TenantId, w.ClassId, w.PersonId, t.Spec }).SingleOrDefaultAsync(cancel);
        if (workspace is null
            || !Permissions.May(Verb.LookAtWorkspace, await db.RolesAsync(actor, workspace.TenantId, workspace.ClassId, workspace.PersonId, cancel)))
            return null;
        var (length, step, span, counts) = Of(window);
        var to = clock.GetUtcNow();
        var from = Spans.Begin(to - length, step);
        return new(window, from, to, step, await NodesAsync(db, workspaceId, (int)span.TotalSeconds, step, from, cancel),
            await CountsAsync(db, workspaceId, (int)counts.TotalSeconds, step, from,
                workspace.Spec.Counts.ToDictionary(c => c.Id, c => c.Title, StringComparer.Ordinal), cancel));
    }

    /// <summary>Length of the window, duration of one point, and the spans it is computed from.</summary>
    private static (TimeSpan Length, TimeSpan Step, TimeSpan Span, TimeSpan Counts) Of(MetricsWindow window) => window switch
    {
        MetricsWindow.Hour => (TimeSpan.FromHours(1), TimeSpan.FromSeconds(20), Spans.Raw, Spans.RawCounts),
        MetricsWindow.Day => (TimeSpan.FromDays(1), TimeSpan.FromMinutes(8), Spans.Minute, Spans.Minute),
        MetricsWindow.Month => (TimeSpan.FromDays(30), TimeSpan.FromHours(4), Spans.TenMinutes, Spans.TenMinutes),
        _ => throw new ArgumentOutOfRangeException(nameof(window)),
    };

    private static async Task<ImmutableArray<NodeMetrics>> NodesAsync(PortalDb db, Guid workspace, int span, TimeSpan step, DateTimeOffset from,
        CancellationToken cancel)
    {
        var rows = await db.Database.SqlQuery<NodeBin>($"""
            select node, date_bin({step}, at, 'epoch') as at, avg(cpu) as cpu, max(cpu_most) as cpu_most, avg(throttled) as throttled,
              avg(memory_bytes)::bigint as memory_bytes, max(memory_most) as memory_most, max(memory_limit_bytes) as memory_limit_bytes,
              sum(out_of_memory_kills)::bigint as out_of_memory_kills, max(restarts) as restarts, max(pids) as pids, (sum(span))::float8 as seconds,
              sum(net_in)::float8 as net_in, sum(net_out)::float8 as net_out, sum(disk_read)::float8 as disk_read, sum(disk_written)::float8 as disk_written
            from portal.samples where workspace_id = {workspace} and span = {span} and at >= {from}
            group by 1, 2
            """).ToListAsync(cancel);
        return [.. rows.GroupBy(r => r.Node, StringComparer.Ordinal)
            .OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => new NodeMetrics(g.Key, [.. g.OrderBy(r => r.At).Select(Point)]))];
    }

    private static MetricPoint Point(NodeBin r) => new(
        r.At, r.Cpu, r.CpuMost, r.Throttled, r.MemoryBytes, r.MemoryMost, r.MemoryLimitBytes, r.OutOfMemoryKills, r.Restarts, r.Pids,
        r.NetIn / r.Seconds, r.NetOut / r.Seconds, r.DiskRead / r.Seconds, r.DiskWritten / r.Seconds);

    private static async Task<ImmutableArray<CountMetrics>> CountsAsync(PortalDb db, Guid workspace, int span, TimeSpan step, DateTimeOffset from,
        Dictionary<string, string> titles, CancellationToken cancel)
    {
        var rows = await db.Database.SqlQuery<CountBin>($"""
            select name, date_bin({step}, at, 'epoch') as at, avg(value) as value, max(most) as most
            from portal.counts where workspace_id = {workspace} and span = {span} and at >= {from} and name <> {CountNames.Signals}
            group by 1, 2
            """).ToListAsync(cancel);
        return [.. rows.GroupBy(r => r.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => new CountMetrics(g.Key, titles.GetValueOrDefault(g.Key),
                [.. g.OrderBy(r => r.At).Select(r => new CountPoint(r.At, r.Value, r.Most))]))];
    }

    private sealed record NodeBin(
        string Node, DateTimeOffset At, double Cpu, double CpuMost, double Throttled, long MemoryBytes, long MemoryMost, long MemoryLimitBytes,
        long OutOfMemoryKills, int Restarts, int Pids, double Seconds,
        double NetIn, double NetOut, double DiskRead, double DiskWritten);

    private sealed record CountBin(string Name, DateTimeOffset At, double Value, double Most);
}
