using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Catalog;

/// <summary>
/// Publishes the template folders. Equal content is the same version; changed content is a new one, and the previous one is no longer offered.
/// A broken folder is reported and leaves its previous version in place; a template whose folder is missing is retired.
/// </summary>
public sealed class PublishTemplates(IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, TemplateFolders folders, TemplateStore store,
    TimeProvider clock, ILogger<PublishTemplates> log)
{
    private const long OnePublisher = 7404, OneWriter = 7405;
    private const int LargestGuide = 256 * 1024, LongestFile = 400, LongestText = 4000;

    /// <summary>What this process remembers about each folder, by path.</summary>
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    /// <summary>How often everything is compared with the rows, which another process may have changed.</summary>
    private static readonly TimeSpan AtLeastEvery = TimeSpan.FromMinutes(1);

    /// <summary>The folders when everything in them was published or found to be broken, and when that was.</summary>
    private (IReadOnlyDictionary<string, string> Stamps, DateTimeOffset At)? _settled;

    /// <summary>The same as <see cref="RunAsync"/>, but reads nothing more than names and times of files while none of them changes.</summary>
    public async Task RunIfChangedAsync(CancellationToken cancel)
    {
        var now = Stamps();
        if (now is not null && _settled is { } settled && clock.GetUtcNow() - settled.At < AtLeastEvery
            && settled.Stamps.Count == now.Count && settled.Stamps.All(s => now.GetValueOrDefault(s.Key) == s.Value)) return;
        await RunAsync(cancel);
        _settled = now is not null && now.All(f => _known.GetValueOrDefault(f.Key)?.Done == f.Value) ? (now, clock.GetUtcNow()) : null;
    }

    /// <summary>Of every folder, by path; null if any cannot be read, or is in another's way.</summary>
    private Dictionary<string, string>? Stamps()
    {
        var (found, faults, complete) = folders.Look();
        if (!complete || faults.Count > 0) return null;
        try { return found.ToDictionary(f => f.Path, f => f.Stamp(), StringComparer.Ordinal); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException) { return null; }
    }

    /// <summary>
    /// Scans all folders once. An operator's folder is published only if it did not change between two scans, because it may be being copied.
    /// Folders may be slow, so everything is read before the transaction begins. Writes nothing if nothing changed, because every write notifies all pages.
    /// </summary>
    public async Task<IReadOnlyList<TemplateFault>> RunAsync(CancellationToken cancel)
    {
        await using var alone = await LongLock.WaitAsync(data, OnePublisher, clock, cancel);
        var (found, inTheWay, complete) = folders.Look();
        await using var db = await databases.CreateDbContextAsync(alone.Token);
        var offered = await OfferedAsync(db, alone.Token);
        var (faults, offers) = (new List<TemplateFault>(inTheWay), new List<Offer>());
        foreach (var folder in found)
        {
            var (offer, fault) = await LookAsync(folder, offered.GetValueOrDefault(folder.Id), alone.Token);
            if (offer is not null) offers.Add(offer);
            if (fault is not null) faults.Add(fault);
        }
        await using var transaction = await db.Database.BeginTransactionAsync(alone.Token);
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock({OneWriter})", alone.Token);
        // A process that froze while reading has lost its lock: what another published in the meantime stays, and the next scan does the rest.
        if (!offered.ToHashSet().SetEquals(await OfferedAsync(db, alone.Token)))
        {
            _known.Clear();
            return faults;
        }
        await WriteAsync(db, offers, complete ? [.. offered.Keys.Where(id => found.All(f => f.Id != id))] : [], faults, alone.Token);
        await transaction.CommitAsync(alone.Token);
        foreach (var left in _known.Keys.Except(found.Select(f => f.Path), StringComparer.Ordinal).ToList()) _known.Remove(left);
        return faults;
    }

    private async Task<(Offer?, TemplateFault?)> LookAsync(TemplateFolder folder, string? offered, CancellationToken cancel)
    {
        var known = _known.TryGetValue(folder.Path, out var before) ? before : _known[folder.Path] = new();
        try
        {
            var stamp = folder.Stamp();
            if (known.Done == stamp && (known.Fault is not null || known.Hash == offered)) return (null, known.Fault);
            if (!folder.Shipped && known.Seen != stamp)
            {
                known.Seen = stamp;
                return (null, known.Fault);
            }
            (var offer, known.Fault) = await ReadAsync(folder, cancel);
            (known.Hash, known.Done) = (offer?.Hash, stamp);
            return (offer, known.Fault);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return (null, known.Fault = new(folder.FaultFile, 0, "", e is InvalidDataException ? e.Message : $"cannot be read: {e.Message}"));
        }
    }

    /// <summary>Read, checked and hashed from one copy, so that a version is exactly what was checked.</summary>
    private async Task<(Offer? Offer, TemplateFault? Fault)> ReadAsync(TemplateFolder folder, CancellationToken cancel)
    {
        var staged = store.Stage(folder.Path);
        var file = new FileInfo(Path.Combine(staged, TemplateFolder.File));
        if (!file.Exists) return Dropped(new(folder.FaultFile, 0, "", "is missing"));
        if (file.Length > TemplateFile.Largest) return Dropped(new(folder.FaultFile, 0, "", $"larger than {TemplateFile.Largest / 1024} KiB"));
        var (spec, fault) = TemplateFile.Read(folder.FaultFile, await File.ReadAllBytesAsync(file.FullName, cancel));
        if (fault is not null) return Dropped(fault);
        var guide = new FileInfo(Path.Combine(staged, "guide.md")) is { Exists: true, Length: <= LargestGuide } text
            ? await File.ReadAllTextAsync(text.FullName, cancel)
            : "";
        return (new(spec!, store.Keep(staged), guide), null);

        (Offer?, TemplateFault?) Dropped(TemplateFault fault)
        {
            TemplateStore.Drop(staged);
            log.LogError("A template was not published: {Fault}", fault);
            return (null, fault);
        }
    }

    /// <summary>Hash of the offered version, by template.</summary>
    private static Task<Dictionary<string, string>> OfferedAsync(PortalDb db, CancellationToken cancel) =>
        db.TemplateVersions.AsNoTracking().Where(t => !t.Retired).ToDictionaryAsync(t => t.TemplateId, t => t.Hash, StringComparer.Ordinal, cancel);

    private async Task WriteAsync(PortalDb db, List<Offer> offers, IReadOnlyList<string> gone, List<TemplateFault> faults, CancellationToken cancel)
    {
        foreach (var (spec, hash, guide) in offers) await OfferAsync(db, spec, hash, guide, cancel);
        foreach (var id in gone)
        {
            await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = true where template_id = {id} and not retired", cancel);
            log.LogInformation("Template {Template} is no longer in its folder and no longer offered.", id);
        }
        await TellAsync(db, faults, cancel);
    }

    private async Task OfferAsync(PortalDb db, TemplateSpec spec, string hash, string guide, CancellationToken cancel)
    {
        await db.Database.ExecuteSqlAsync(
            $"update portal.template_versions set retired = true where template_id = {spec.Id} and hash <> {hash} and not retired", cancel);
        if (await db.TemplateVersions.AnyAsync(t => t.TemplateId == spec.Id && t.Hash == hash, cancel))
        {
            await db.Database.ExecuteSqlAsync(
                $"update portal.template_versions set retired = false where template_id = {spec.Id} and hash = {hash} and retired", cancel);
            return;
        }
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(clock.GetUtcNow()), TemplateId = spec.Id, Hash = hash, Spec = spec, Guide = guide });
        await db.SaveChangesAsync(cancel);
        log.LogInformation("Published template {Template}, version {Hash}.", spec.Id, hash[..12]);
    }

    /// <summary>Replaces the rows with the current faults; fixed ones are deleted.</summary>
    private async Task TellAsync(PortalDb db, IReadOnlyList<TemplateFault> faults, CancellationToken cancel)
    {
        var rows = await db.TemplateFaults.ToDictionaryAsync(f => f.File, StringComparer.Ordinal, cancel);
        foreach (var fault in faults.DistinctBy(NameOf, StringComparer.Ordinal))
        {
            if (!rows.Remove(NameOf(fault), out var row)) db.TemplateFaults.Add(row = new() { File = NameOf(fault), Reason = "", SeenAt = clock.GetUtcNow() });
            if ((row.Line, row.Field, row.Reason) == (fault.Line, Short(fault.Field), Short(fault.Reason))) continue;
            (row.Line, row.Field, row.Reason, row.SeenAt) = (fault.Line, Short(fault.Field), Short(fault.Reason), clock.GetUtcNow());
        }
        db.TemplateFaults.RemoveRange(rows.Values);
        await db.SaveChangesAsync(cancel);

        static string NameOf(TemplateFault fault) => Clean(fault.File.Length > LongestFile ? fault.File[^LongestFile..] : fault.File);
        static string Short(string text) => Clean(text.Length > LongestText ? text[..LongestText] : text);
        static string Clean(string text) => text.Replace("\0", "", StringComparison.Ordinal); // the one character that PostgreSQL cannot store
    }

    /// <summary>A version that its folder currently offers.</summary>
    private sealed record Offer(TemplateSpec Spec, string Hash, string Guide);

    private sealed class Known
    {
        /// <summary>Its state at the previous scan.</summary>
        public string? Seen { get; set; }

        /// <summary>When it was published, or found to be broken.</summary>
        public string? Done { get; set; }
        public string? Hash { get; set; }
        public TemplateFault? Fault { get; set; }
    }
}
