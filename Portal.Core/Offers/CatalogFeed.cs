using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Live;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Offers;

/// <param name="NotAvailable">Why it cannot be launched now, with the remedy; null if it can.</param>
/// <param name="Building">0 to 100 while one of its images is being built.</param>
/// <param name="UsualStart">Median of the launches measured here.</param>
public sealed record CatalogCard(Guid VersionId, TemplateSpec Spec, string? NotAvailable, int? Building, string? BuildLine, TimeSpan? UsualStart)
{
    /// <summary>Markdown by the template's author; empty if there is none.</summary>
    public string Guide { get; init; } = "";

    /// <summary>The classes that may launch it; empty for all.</summary>
    public ImmutableArray<Guid> Classes { get; init; } = [];

    /// <summary>Nothing new can be launched from it.</summary>
    internal bool Withdrawn { get; init; }

    /// <summary>This card for someone who can launch only in these pools: available if any of them works and has its images.</summary>
    internal CatalogCard For(IReadOnlyCollection<Pool> pools, ILookup<string, ImageRow> images)
    {
        if (Withdrawn) return this;
        var (pool, reason) = pools.Select(p => (Pool: p, Reason: Availability.Reason(p) ?? Availability.Reason(Spec, images[p.Key])))
            .OrderBy(p => p.Reason is not null).FirstOrDefault();
        var building = pool is null ? null : Spec.Roles.Select(r => images[pool.Key].FirstOrDefault(i => i.Name == r.Image))
            .FirstOrDefault(i => i?.State == ImageState.Building);
        return this with
        {
            NotAvailable = pool is null ? Availability.Reason(Spec, []) : reason,
            Building = building?.Percent,
            BuildLine = building?.Message,
        };
    }
}

/// <param name="Pools">Those in which the viewer's classes run.</param>
public sealed record CatalogView(ImmutableArray<CatalogCard> Cards, ImmutableArray<Pool> Pools)
{
    /// <summary>Services that cannot be used now; until they can, nothing can be launched in their pool.</summary>
    public IEnumerable<PoolService> Troubles => Pools.SelectMany(p => p.Services).Where(s => !s.State.Ok);

    /// <summary>By the key of their pool.</summary>
    internal ILookup<string, ImageRow> Images { get; init; } = Array.Empty<ImageRow>().ToLookup(i => i.PoolKey, StringComparer.Ordinal);

    /// <summary>Whether troubles must say which pool they are in.</summary>
    public bool SeveralPools { get; init; }

    /// <summary>Whether the viewer may decide what is offered.</summary>
    public bool MayDecide { get; init; }

    /// <summary>When Jobs last reported the state of a pool; null before the first time.</summary>
    public DateTimeOffset? HeardAt { get; init; }
}

/// <summary>What a person can launch, live: image builds show their progress. Read once for all viewers, then filtered for each.</summary>
public sealed class CatalogFeed
{
    private const string First = "notebook";

    private readonly IDbContextFactory<PortalDb> _databases;
    private readonly StepHistories _history;
    private readonly Feed<string, CatalogView> _feed;

    public CatalogFeed(IDbContextFactory<PortalDb> databases, StepHistories history, Changes changes)
    {
        (_databases, _history) = (databases, history);
        _feed = new(changes, (_, cancel) => ReadAsync(cancel)!, (_, _, what) => what is "images" or "clouds" or "templates");
    }

    public async Task<Live<CatalogView?>> WatchAsync(Actor actor, CancellationToken cancel)
    {
        var viewer = await ViewerAsync(actor, cancel);
        var all = await _feed.WatchAsync("all", cancel);
        return new(viewer.Of(all.Now), LaterAsync(all.Later, viewer, cancel));
    }

    /// <summary>Reads it once.</summary>
    public async Task<CatalogView> ReadAsync(Actor actor, CancellationToken cancel) => (await ViewerAsync(actor, cancel)).Of(await ReadAsync(cancel))!;

    private static async IAsyncEnumerable<CatalogView?> LaterAsync(IAsyncEnumerable<CatalogView?> all, Viewer viewer,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var next in all.WithCancellation(cancel)) yield return viewer.Of(next);
    }

    private async Task<CatalogView> ReadAsync(CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var versions = await db.TemplateVersions.AsNoTracking().Where(t => !t.Retired).OrderBy(t => t.TemplateId).Take(200).ToListAsync(cancel);
        var offers = await db.TemplateOffers.AsNoTracking().ToDictionaryAsync(o => o.TemplateId, StringComparer.Ordinal, cancel);
        var classes = (await db.TemplateClasses.AsNoTracking().ToListAsync(cancel)).ToLookup(c => c.TemplateId, c => c.ClassId, StringComparer.Ordinal);
        var images = (await db.Images.AsNoTracking().ToListAsync(cancel)).ToLookup(i => i.PoolKey, StringComparer.Ordinal);
        var pools = await db.Pools.AsNoTracking().OrderBy(p => p.CloudKey).ThenBy(p => p.Key).ToListAsync(cancel);
        var usual = await _history.ReadAsync(db, cancel);
        var used = await db.Workspaces.Join(db.TemplateVersions, w => w.TemplateVersionId, t => t.Id, (_, t) => t.TemplateId)
            .GroupBy(id => id).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, StringComparer.Ordinal, cancel);
        // The notebook comes first because everyone starts with it; then the most used.
        var ordered = versions.OrderByDescending(v => v.TemplateId == First)
            .ThenByDescending(v => used.GetValueOrDefault(v.TemplateId)).ThenBy(v => v.Spec.Title, StringComparer.Ordinal);
        return new([.. ordered.Select(v =>
        {
            var withdrawn = offers.GetValueOrDefault(v.TemplateId) is { Deprecated: true } offer
                ? $"It has been withdrawn: nothing new can be launched from it. {offer.Reason}".TrimEnd()
                : null;
            return new CatalogCard(v.Id, v.Spec, withdrawn, Building: null, BuildLine: null, usual.Launch(v.TemplateId))
            {
                Guide = v.Guide,
                Classes = [.. classes[v.TemplateId]],
                Withdrawn = withdrawn is not null,
            };
        })], [.. pools])
        { Images = images, HeardAt = pools.Max(p => p.SeenAt), SeveralPools = pools.Count > 1 };
    }

    private async Task<Viewer> ViewerAsync(Actor actor, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var decider = await TemplateDecider.ReadAsync(db, actor, Verb.SeeTemplates, cancel);
        var mine = await db.Memberships.Where(m => m.PersonId == actor.PersonId && m.ClassId != null).Select(m => m.ClassId!.Value).ToListAsync(cancel);
        var managed = decider is null ? [] : await decider.Classes(db).Select(c => c.Id).ToListAsync(cancel);
        var classes = mine.Union(managed).ToArray();
        var pools = await (from c in db.Classes
                           join t in db.Tenants on c.TenantId equals t.Id
                           where classes.Contains(c.Id)
                           select new { c.Id, t.PoolKey }).ToDictionaryAsync(c => c.Id, c => c.PoolKey, cancel);
        return new(pools, decider is not null);
    }

    /// <param name="Classes">The viewer's, each with the key of its pool; whoever has none is shown every pool.</param>
    private sealed record Viewer(IReadOnlyDictionary<Guid, string> Classes, bool MayDecide)
    {
        public CatalogView? Of(CatalogView? all)
        {
            if (all is null) return null;
            var mine = Classes.Count == 0 ? all.Pools : all.Pools.Where(p => Classes.Values.Contains(p.Key, StringComparer.Ordinal)).ToImmutableArray();
            return all with
            {
                Cards = [.. all.Cards.Where(c => c.Classes.IsEmpty || c.Classes.Any(Classes.ContainsKey)).Select(c => c.For(PoolsFor(c, mine), all.Images))],
                Pools = mine,
                MayDecide = MayDecide,
            };
        }

        /// <summary>The pools in which the viewer could launch it.</summary>
        private ImmutableArray<Pool> PoolsFor(CatalogCard card, ImmutableArray<Pool> mine) => card.Classes.IsEmpty || Classes.Count == 0
            ? mine
            : [.. mine.Where(p => card.Classes.Any(id => Classes.GetValueOrDefault(id) == p.Key))];
    }
}
