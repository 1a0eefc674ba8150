using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Live;
using Portal.Core.Operations;
using Portal.Core.Runs;

namespace Portal.Core.Catalog;

/// <param name="NotAvailable">Why it cannot be launched now, with what helps; null when it can.</param>
/// <param name="Building">0 to 100 while an image of it is being built.</param>
/// <param name="UsualStart">Median of the launches measured here.</param>
public sealed record CatalogCard(Guid VersionId, TemplateSpec Spec, string? NotAvailable, int? Building, string? BuildLine, TimeSpan? UsualStart)
{
    /// <summary>Markdown of whoever wrote the template; empty where there is none.</summary>
    public string Guide { get; init; } = "";
}

/// <param name="Troubles">What Jobs drives and cannot use now; nothing can be launched meanwhile.</param>
public sealed record CatalogView(ImmutableArray<CatalogCard> Cards, ImmutableArray<CloudState> Troubles);

/// <summary>What can be launched, live: image builds show their progress.</summary>
public sealed class CatalogFeed
{
    private readonly IDbContextFactory<PortalDb> _databases;
    private readonly Feed<string, CatalogView> _feed;

    public CatalogFeed(IDbContextFactory<PortalDb> databases, Changes changes)
    {
        _databases = databases;
        _feed = new(changes, (_, cancel) => ReadAsync(cancel)!, (_, _, what) => what is "images" or "clouds" or "templates");
    }

    public async Task<Live<CatalogView?>> WatchAsync(CancellationToken goodbye) => await _feed.WatchAsync("all", goodbye);

    /// <summary>The same, once.</summary>
    public async Task<CatalogView> ReadAsync(CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var versions = await db.TemplateVersions.AsNoTracking().Where(t => !t.Retired).OrderBy(t => t.TemplateId).Take(200).ToListAsync(cancel);
        var images = await db.Images.AsNoTracking().ToDictionaryAsync(i => i.Name, StringComparer.Ordinal, cancel);
        var bad = await db.CloudStates.AsNoTracking().Where(c => !c.Ok).OrderBy(c => c.Name).ToListAsync(cancel);
        var notReady = images.Where(i => i.Value.State != ImageState.Ready).ToDictionary(i => i.Key, i => i.Value, StringComparer.Ordinal);
        var usual = (await StepHistory.UsualAsync(db, cancel)).Where(u => u.Key.Item1 == RunKind.Launch).ToList();
        TimeSpan? start = usual.Count == 0 ? null : usual.Aggregate(TimeSpan.Zero, (sum, u) => sum + u.Value);
        return new([.. versions.Select(v =>
        {
            var building = v.Spec.Roles.Select(r => images.GetValueOrDefault(r.Image)).FirstOrDefault(i => i?.State == ImageState.Building);
            return new CatalogCard(v.Id, v.Spec, Availability.Reason(v.Spec, bad, notReady), building?.Percent, building?.Says, start) { Guide = v.Guide };
        })], [.. bad]);
    }
}
