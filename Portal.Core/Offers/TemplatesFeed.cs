using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.Live;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Core.Offers;

/// <param name="Hash">Hash of the version's content, hexadecimal.</param>
/// <param name="Workspaces">Made from this version and not deleted, in all classes or those of the viewer's departments.</param>
/// <param name="OlderWorkspaces">The same for earlier versions.</param>
/// <param name="Offered">False if its folder is gone: workspaces keep it, but there are no new launches.</param>
/// <param name="Deprecated">Why no new launches are allowed; null while they are.</param>
/// <param name="Classes">The classes that may launch it; empty for all.</param>
public sealed record TemplateRow(string Id, string Title, string Hash, DateTimeOffset PublishedAt, int Workspaces, int OlderWorkspaces, bool Offered,
    string? Deprecated, ImmutableArray<Guid> Classes);

/// <summary>A class that the viewer decides for.</summary>
public sealed record ClassName(Guid Id, string Title, string TenantName);

/// <param name="Everywhere">Whether the viewer decides for all departments.</param>
/// <param name="Faults">Folders that could not be published; for operators.</param>
public sealed record TemplatesView(ImmutableArray<TemplateRow> Rows, ImmutableArray<ClassName> Classes, bool Everywhere,
    ImmutableArray<TemplateFaultRow> Faults);

/// <summary>Templates, for people who decide what is offered.</summary>
public sealed class TemplatesFeed
{
    private const int Most = 200;
    private readonly IDbContextFactory<PortalDb> _databases;
    private readonly Feed<Guid, TemplatesView> _feed;

    public TemplatesFeed(IDbContextFactory<PortalDb> databases, Changes changes)
    {
        _databases = databases;
        _feed = new(changes, (person, cancel) => ReadAsync(new(person), cancel), (_, _, what) => what is "templates" or "queue");
    }

    /// <summary>Null for people who may not decide.</summary>
    public async Task<Live<TemplatesView?>> WatchAsync(Actor actor, CancellationToken cancel) => await _feed.WatchAsync(actor.PersonId, cancel);

    /// <summary>Reads them once.</summary>
    public async Task<TemplatesView?> ReadAsync(Actor actor, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        if (await TemplateDecider.ReadAsync(db, actor, Verb.SeeTemplates, cancel) is not { } decider) return null;
        var classes = await (
            from c in decider.Classes(db)
            join t in db.Tenants on c.TenantId equals t.Id
            orderby t.Name, c.Title
            select new ClassName(c.Id, c.Title, t.Name)).Take(Most * 5).ToListAsync(cancel);
        var versions = await db.TemplateVersions.AsNoTracking().GroupBy(t => t.TemplateId).OrderBy(g => g.Key).Take(Most)
            .Select(g => g.OrderBy(t => t.Retired).ThenByDescending(t => t.PublishedAt).First()).ToListAsync(cancel);
        var tenants = decider.Tenants.ToArray();
        var used = await (from w in db.Workspaces
                          join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                          where w.DeletedAt == null && (decider.Operator || tenants.Contains(w.TenantId))
                          group w by new { t.TemplateId, t.Id } into g
                          select new { g.Key.TemplateId, g.Key.Id, Count = g.Count() }).ToListAsync(cancel);
        var offers = await db.TemplateOffers.AsNoTracking().ToDictionaryAsync(o => o.TemplateId, StringComparer.Ordinal, cancel);
        var restricted = (await db.TemplateClasses.AsNoTracking().ToListAsync(cancel)).ToLookup(c => c.TemplateId, c => c.ClassId, StringComparer.Ordinal);
        var faults = decider.Operator ? await db.TemplateFaults.AsNoTracking().OrderBy(f => f.File).Take(Most).ToListAsync(cancel) : [];
        return new([.. versions.OrderBy(v => v.TemplateId, StringComparer.Ordinal).Select(v => new TemplateRow(
            v.TemplateId, v.Spec.Title, v.Hash, v.PublishedAt,
            used.Where(u => u.Id == v.Id).Sum(u => u.Count), used.Where(u => u.TemplateId == v.TemplateId && u.Id != v.Id).Sum(u => u.Count),
            !v.Retired, offers.GetValueOrDefault(v.TemplateId) is { Deprecated: true } offer ? offer.Reason ?? "" : null,
            [.. restricted[v.TemplateId]]))], [.. classes], decider.Everywhere, [.. faults]);
    }
}
