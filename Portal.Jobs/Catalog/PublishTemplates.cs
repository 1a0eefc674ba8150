using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;

namespace Portal.Jobs.Catalog;

/// <summary>
/// Publishes the folders of templates. Equal content is the same version; changed content is a new one, and the one before is no longer offered.
/// What is broken is told and leaves the version before in place; what is gone is retired.
/// </summary>
public sealed class PublishTemplates(IDbContextFactory<PortalDb> databases, TemplateFolders folders, TemplateStore store, TimeProvider clock, ILogger<PublishTemplates> log)
{
    private const long OnePublisher = 7404;
    private const int LargestGuide = 256 * 1024, LongestFile = 400, LongestWords = 4000;

    /// <summary>What is known of a folder since this process began, by its path.</summary>
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    /// <summary>
    /// Looks at all folders once. An operator's folder is published when it stood still between two looks: it may be being copied.
    /// Writes nothing where nothing changed, since whatever is written is told to every page.
    /// </summary>
    public async Task<IReadOnlyList<TemplateFault>> RunAsync(CancellationToken cancel)
    {
        var (found, inTheWay, complete) = folders.Look();
        var faults = new List<TemplateFault>(inTheWay);
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock({OnePublisher})", cancel);
        var offered = await db.TemplateVersions.AsNoTracking().Where(t => !t.Retired).ToDictionaryAsync(t => t.TemplateId, t => t.Hash, StringComparer.Ordinal, cancel);
        foreach (var folder in found)
            if (await LookLockedAsync(db, folder, offered.GetValueOrDefault(folder.Id), cancel) is { } fault) faults.Add(fault);
        if (complete)
        {
            foreach (var gone in offered.Keys.Where(id => found.All(f => f.Id != id)))
            {
                await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = true where template_id = {gone} and not retired", cancel);
                log.LogInformation("{Template} is gone from its folder and no longer offered.", gone);
            }
        }
        await TellLockedAsync(db, faults, cancel);
        await transaction.CommitAsync(cancel);
        foreach (var left in _known.Keys.Except(found.Select(f => f.Path), StringComparer.Ordinal).ToList()) _known.Remove(left);
        return faults;
    }

    private async Task<TemplateFault?> LookLockedAsync(PortalDb db, TemplateFolder folder, string? offered, CancellationToken cancel)
    {
        var known = _known.TryGetValue(folder.Path, out var before) ? before : _known[folder.Path] = new();
        try
        {
            var stamp = folder.Stamp();
            if (known.Done == stamp && (known.Fault is not null || known.Hash == offered)) return known.Fault;
            if (!folder.Shipped && known.Seen != stamp)
            {
                known.Seen = stamp;
                return known.Fault;
            }
            (known.Hash, known.Fault) = await PublishLockedAsync(db, folder, cancel);
            known.Done = stamp;
            return known.Fault;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return known.Fault = new(folder.FaultFile, 0, "", e is InvalidDataException ? e.Message : $"cannot be read: {e.Message}");
        }
    }

    /// <summary>Read, checked and hashed from one copy, so that a version is exactly what was checked.</summary>
    private async Task<(string? Hash, TemplateFault? Fault)> PublishLockedAsync(PortalDb db, TemplateFolder folder, CancellationToken cancel)
    {
        var staged = store.Stage(folder.Path);
        var file = new FileInfo(Path.Combine(staged, TemplateFolder.File));
        if (!file.Exists) return Dropped(new(folder.FaultFile, 0, "", "is missing"));
        if (file.Length > TemplateFile.Largest) return Dropped(new(folder.FaultFile, 0, "", $"larger than {TemplateFile.Largest / 1024} KiB"));
        var (spec, fault) = TemplateFile.Read(folder.FaultFile, await File.ReadAllBytesAsync(file.FullName, cancel));
        if (fault is not null) return Dropped(fault);
        var guide = new FileInfo(Path.Combine(staged, "guide.md")) is { Exists: true, Length: <= LargestGuide } text ? await File.ReadAllTextAsync(text.FullName, cancel) : "";
        var hash = store.Keep(staged);
        await OfferLockedAsync(db, spec!, hash, guide, cancel);
        return (hash, null);

        (string?, TemplateFault?) Dropped(TemplateFault fault)
        {
            TemplateStore.Drop(staged);
            log.LogError("A template was not published: {Fault}", fault);
            return (null, fault);
        }
    }

    private async Task OfferLockedAsync(PortalDb db, TemplateSpec spec, string hash, string guide, CancellationToken cancel)
    {
        await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = true where template_id = {spec.Id} and hash <> {hash} and not retired", cancel);
        if (await db.TemplateVersions.AnyAsync(t => t.TemplateId == spec.Id && t.Hash == hash, cancel))
        {
            await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = false where template_id = {spec.Id} and hash = {hash} and retired", cancel);
            return;
        }
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(clock.GetUtcNow()), TemplateId = spec.Id, Hash = hash, Spec = spec, Guide = guide });
        await db.SaveChangesAsync(cancel);
        log.LogInformation("Published {Template}, version {Hash}.", spec.Id, hash[..12]);
    }

    /// <summary>The rows are what is wrong now; what was mended goes.</summary>
    private async Task TellLockedAsync(PortalDb db, IReadOnlyList<TemplateFault> faults, CancellationToken cancel)
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
        static string Short(string words) => Clean(words.Length > LongestWords ? words[..LongestWords] : words);
        static string Clean(string words) => words.Replace("\0", "", StringComparison.Ordinal); // the one character that PostgreSQL does not keep
    }

    private sealed class Known
    {
        /// <summary>At the look before.</summary>
        public string? Seen { get; set; }

        /// <summary>When it was published, or found to be broken.</summary>
        public string? Done { get; set; }
        public string? Hash { get; set; }
        public TemplateFault? Fault { get; set; }
    }
}
