using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Live;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Operations;

/// <param name="Place">Place in its pool's launch queue; null if it is not waiting there.</param>
public sealed record RunRow(long Id, Guid WorkspaceId, string Slug, string WorkspaceName, string PersonName, RunKind Kind, RunPhase Phase,
    bool Releasing, StepKey? Step, int Attempts, string? Message, string? Cause, string? Remedy, DateTimeOffset CreatedAt, DateTimeOffset? EndedAt, int? Place)
{
    /// <summary>Key of the pool it waits for or runs in.</summary>
    public string Pool { get; init; } = "";
}

/// <summary>A cloud with its pools.</summary>
public sealed record CloudRow(Cloud Cloud, ImmutableArray<PoolRow> Pools);

/// <param name="Claimed">Claimed capacity, and by how many workspaces.</param>
public sealed record PoolRow(Pool Pool, Amounts Claimed);

/// <summary>The whole installation at a glance.</summary>
/// <param name="Unfinished">Oldest first.</param>
/// <param name="Failures">Newest first.</param>
public sealed record OperationsView(ImmutableArray<RunRow> Unfinished, ImmutableArray<RunRow> Failures, ImmutableArray<CloudRow> Clouds,
    ImmutableArray<ImageRow> Images)
{
    /// <summary>Folders of templates that could not be published.</summary>
    public ImmutableArray<TemplateFaultRow> TemplateFaults { get; init; } = [];
}

/// <summary>Runs, queue, failures and health, for operators.</summary>
public sealed class OperationsFeed
{
    private const int Most = 200, MostFailures = 50;
    private readonly IDbContextFactory<PortalDb> _databases;
    private readonly Feed<string, OperationsView> _feed;

    public OperationsFeed(IDbContextFactory<PortalDb> databases, Changes changes)
    {
        _databases = databases;
        _feed = new(changes, (_, cancel) => ReadAsync(cancel)!, (_, _, what) => !Changes.IsMeasurement(what));
    }

    /// <summary>Null for everyone but operators.</summary>
    public async Task<Live<OperationsView?>?> WatchAsync(Actor actor, CancellationToken cancel)
    {
        await using (var db = await _databases.CreateDbContextAsync(cancel))
            if (!Permissions.May(Verb.SeeOperations, await db.RolesAsync(actor, null, null, null, cancel))) return null;
        return await _feed.WatchAsync("all", cancel);
    }

    private async Task<OperationsView> ReadAsync(CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var unfinished =
            db.Runs.AsNoTracking()
                .Where(r => r.Phase != RunPhase.Succeeded && r.Phase != RunPhase.Failed && r.Phase != RunPhase.Cancelled)
                .OrderBy(r => r.Id)
                .Take(Most);
        var failed = db.Runs.AsNoTracking().Where(r => r.Phase == RunPhase.Failed).OrderByDescending(r => r.Id).Take(MostFailures);
        var open = await RowsAsync(db, unfinished, cancel);
        var places = open.Where(r => r.Phase == RunPhase.Queued && RunKinds.Queued.Contains(r.Kind)).GroupBy(r => r.Pool, StringComparer.Ordinal)
            .SelectMany(pool => pool.OrderBy(r => r.Id).Select((r, at) => (r.Id, Place: at + 1))).ToDictionary(q => q.Id, q => q.Place);
        var claimed = await db.ClaimedAsync(cancel);
        var running = await db.CapacityClaims.Where(c => c.EndedAt == null).GroupBy(c => c.PoolKey)
            .Select(g => new { g.Key, Count = g.Select(c => c.WorkspaceId).Distinct().Count() })
            .ToDictionaryAsync(g => g.Key, g => g.Count, StringComparer.Ordinal, cancel);
        var pools = (await db.Pools.AsNoTracking().OrderBy(p => p.Key).ToListAsync(cancel)).ToLookup(p => p.CloudKey, StringComparer.Ordinal);
        var clouds = await db.Clouds.AsNoTracking().OrderBy(c => c.Key).ToListAsync(cancel);
        return new(
            [.. open.OrderBy(r => r.Id).Select(r => places.TryGetValue(r.Id, out var place) ? r with { Place = place } : r)],
            [.. (await RowsAsync(db, failed, cancel)).OrderByDescending(r => r.Id)],
            [.. clouds.Select(c => new CloudRow(c, [.. pools[c.Key].Select(p =>
                new PoolRow(p, claimed.GetValueOrDefault(p.Key, Amounts.None) with { Workspaces = running.GetValueOrDefault(p.Key) }))]))],
            [.. await db.Images.AsNoTracking().OrderBy(i => i.CloudKey).ThenBy(i => i.Name).ToListAsync(cancel)])
        { TemplateFaults = [.. await db.TemplateFaults.AsNoTracking().OrderBy(f => f.File).Take(Most).ToListAsync(cancel)] };
    }

    private static async Task<List<RunRow>> RowsAsync(PortalDb db, IQueryable<Run> runs, CancellationToken cancel)
    {
        var rows = await (from r in runs
                          join w in db.Workspaces on r.WorkspaceId equals w.Id
                          join p in db.Persons on w.PersonId equals p.Id
                          join t in db.Tenants on w.TenantId equals t.Id
                          select new { r, w.Slug, Workspace = w.Name, Person = p.Name, t.PoolKey }).ToListAsync(cancel);
        return rows.ConvertAll(x => new RunRow(x.r.Id, x.r.WorkspaceId, x.Slug, x.Workspace, x.Person, x.r.Kind, x.r.Phase, x.r.Releasing,
            x.r.FailedStep ?? PlanSteps.Next(x.r.Kind, x.r.Releasing, x.r.DoneStep), x.r.Attempts, x.r.Message,
            x.r.Cause, x.r.Remedy, x.r.CreatedAt, x.r.EndedAt, null)
        { Pool = x.PoolKey });
    }
}
