using System.Collections.Immutable;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Live;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Operations;

/// <param name="Place">Place in its pool's launch queue; null if it is not waiting there.</param>
public sealed record RunRow(long Id, Guid WorkspaceId, string Slug, string WorkspaceName, string PersonName, RunKind Kind, RunPhase Phase,
    bool Releasing, StepKey? Step, int Attempts, string? Message, string? Cause, string? Remedy, DateTimeOffset CreatedAt, DateTimeOffset? EndedAt, int? Place)
{
    /// <summary>Key of the pool it waits for or runs in.</summary>
    public string Pool { get; init; } = "";

    /// <summary>Title of that pool.</summary>
    public string PoolTitle { get; init; } = "";
}

/// <summary>A pool with its cloud.</summary>
/// <param name="Claimed">Claimed capacity, and by how many workspaces.</param>
public sealed record PoolRow(Cloud Cloud, Pool Pool, Amounts Claimed);

/// <summary>Where the lists of runs begin.</summary>
/// <param name="After">Id of the unfinished run after which the list begins; null for the oldest.</param>
/// <param name="Before">Id of the failed run before which the list begins; null for the newest.</param>
public sealed record OperationsPlace(long? After = null, long? Before = null);

/// <summary>The whole installation at a glance.</summary>
/// <param name="Unfinished">Oldest first.</param>
/// <param name="Failures">Newest first.</param>
/// <param name="Pools">Those of one cloud follow one another.</param>
public sealed record OperationsView(Page<RunRow> Unfinished, Page<RunRow> Failures, ImmutableArray<PoolRow> Pools, ImmutableArray<ImageRow> Images)
{
    /// <summary>Number of unfinished runs on all pages.</summary>
    public int UnfinishedInAll { get; init; }

    /// <summary>Folders of templates that could not be published.</summary>
    public ImmutableArray<TemplateFaultRow> TemplateFaults { get; init; } = [];
}

/// <summary>Runs, queue, failures and health, for operators.</summary>
public sealed class OperationsFeed
{
    /// <summary>Runs on one page of a list.</summary>
    public const int PageLength = 50;

    private const int MostFaults = 200;
    private readonly IDbContextFactory<PortalDb> _databases;
    private readonly Feed<OperationsPlace, OperationsView> _feed;

    public OperationsFeed(IDbContextFactory<PortalDb> databases, Changes changes)
    {
        _databases = databases;
        _feed = new(changes, ReadAsync!, (_, _, what) => !Changes.IsMeasurement(what));
    }

    /// <summary>Null for everyone but operators.</summary>
    public async Task<Live<OperationsView?>?> WatchAsync(Actor actor, OperationsPlace place, CancellationToken cancel)
    {
        await using (var db = await _databases.CreateDbContextAsync(cancel))
            if (!Permissions.May(Verb.SeeOperations, await db.RolesAsync(actor, null, null, null, cancel))) return null;
        return await _feed.WatchAsync(place, cancel);
    }

    private async Task<OperationsView> ReadAsync(OperationsPlace place, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var unfinished = db.Runs.AsNoTracking().Where(r => r.Phase != RunPhase.Succeeded && r.Phase != RunPhase.Failed && r.Phase != RunPhase.Cancelled);
        var failed = db.Runs.AsNoTracking().Where(r => r.Phase == RunPhase.Failed);
        var open = await PageAsync(db, unfinished.Where(r => place.After == null || r.Id > place.After), newestFirst: false, cancel);
        var failures = await PageAsync(db, failed.Where(r => place.Before == null || r.Id < place.Before), newestFirst: true, cancel);
        var claimed = await db.ClaimedAsync(cancel);
        var running = await db.CapacityClaims.Where(c => c.EndedAt == null).GroupBy(c => c.PoolKey)
            .Select(g => new { g.Key, Count = g.Select(c => c.WorkspaceId).Distinct().Count() })
            .ToDictionaryAsync(g => g.Key, g => g.Count, StringComparer.Ordinal, cancel);
        var pools = await (from p in db.Pools
                           join c in db.Clouds on p.CloudKey equals c.Key
                           orderby c.Key, p.Key
                           select new { Cloud = c, Pool = p }).AsNoTracking().ToListAsync(cancel);
        return new(
            await PlacedAsync(db, open, cancel), failures,
            [.. pools.Select(p => new PoolRow(p.Cloud, p.Pool,
                claimed.GetValueOrDefault(p.Pool.Key, Amounts.None) with { Workspaces = running.GetValueOrDefault(p.Pool.Key) }))],
            [.. await db.Images.AsNoTracking().OrderBy(i => i.PoolKey).ThenBy(i => i.Name).ToListAsync(cancel)])
        {
            UnfinishedInAll = place.After is null && open.Next is null ? open.Items.Length : await unfinished.CountAsync(cancel),
            TemplateFaults = [.. await db.TemplateFaults.AsNoTracking().OrderBy(f => f.File).Take(MostFaults).ToListAsync(cancel)],
        };
    }

    /// <summary>With the place of those that wait in their pool's launch queue.</summary>
    private static async Task<Page<RunRow>> PlacedAsync(PortalDb db, Page<RunRow> page, CancellationToken cancel)
    {
        Dictionary<long, int> places = [];
        foreach (var pool in page.Items.Where(r => r.Phase == RunPhase.Queued && RunKinds.Queued.Contains(r.Kind)).GroupBy(r => r.Pool, StringComparer.Ordinal))
        {
            var first = pool.First().Id;
            var place = await db.QueuedRuns(pool.Key).CountAsync(r => r.Id < first, cancel);
            foreach (var row in pool) places[row.Id] = ++place;
        }

        return page.Select(r => places.TryGetValue(r.Id, out var place) ? r with { Place = place } : r);
    }

    private static async Task<Page<RunRow>> PageAsync(PortalDb db, IQueryable<Run> runs, bool newestFirst, CancellationToken cancel)
    {
        var rows = await RowsAsync(db, (newestFirst ? runs.OrderByDescending(r => r.Id) : runs.OrderBy(r => r.Id)).Take(PageLength + 1), cancel);
        rows.Sort((a, b) => newestFirst ? b.Id.CompareTo(a.Id) : a.Id.CompareTo(b.Id));
        return Page.Of(rows, PageLength, r => r.Id.ToString(CultureInfo.InvariantCulture));
    }

    private static async Task<List<RunRow>> RowsAsync(PortalDb db, IQueryable<Run> runs, CancellationToken cancel)
    {
        var rows = await (from r in runs
                          join w in db.Workspaces on r.WorkspaceId equals w.Id
                          join p in db.Persons on w.PersonId equals p.Id
                          join t in db.Tenants on w.TenantId equals t.Id
                          join pool in db.Pools on t.PoolKey equals pool.Key
                          select new { r, w.Slug, Workspace = w.Name, Person = p.Name, Pool = pool.Key, pool.Title }).ToListAsync(cancel);
        return rows.ConvertAll(x => new RunRow(x.r.Id, x.r.WorkspaceId, x.Slug, x.Workspace, x.Person, x.r.Kind, x.r.Phase, x.r.Releasing,
            x.r.FailedStep ?? PlanSteps.Next(x.r.Kind, x.r.Releasing, x.r.DoneStep), x.r.Attempts, x.r.Message,
            x.r.Cause, x.r.Remedy, x.r.CreatedAt, x.r.EndedAt, null)
        { Pool = x.Pool, PoolTitle = x.Title });
    }
}
