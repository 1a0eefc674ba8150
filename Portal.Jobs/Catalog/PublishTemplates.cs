using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;

namespace Portal.Jobs.Catalog;

/// <summary>Publishes the folders of templates. Equal content is the same version; changed content is a new one, and the one before is no longer offered.</summary>
public sealed class PublishTemplates(IDbContextFactory<PortalDb> databases, TemplateStore store, TimeProvider clock, ILogger<PublishTemplates> log)
{
    private const long OnePublisher = 7404;
    private const int LargestGuide = 256 * 1024;

    /// <param name="folder">Holds one folder a template, each with a template.yaml.</param>
    public async Task<IReadOnlyList<TemplateFault>> RunAsync(string folder, CancellationToken cancel)
    {
        var faults = new List<TemplateFault>();
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock({OnePublisher})", cancel);
        foreach (var file in Directory.EnumerateFiles(folder, "template.yaml", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var (spec, fault) = TemplateFile.Read(Path.GetRelativePath(folder, file), await File.ReadAllBytesAsync(file, cancel));
            if (fault is not null)
            {
                log.LogError("A template was not published: {Fault}", fault);
                faults.Add(fault);
                continue;
            }
            await PublishAsync(db, spec!, Path.GetDirectoryName(file)!, cancel);
        }
        await transaction.CommitAsync(cancel);
        return faults;
    }

    private async Task PublishAsync(PortalDb db, TemplateSpec spec, string folder, CancellationToken cancel)
    {
        var hash = HashOf(folder);
        store.Keep(folder, hash);
        await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = true where template_id = {spec.Id} and hash <> {hash} and not retired", cancel);
        if (await db.TemplateVersions.AnyAsync(t => t.TemplateId == spec.Id && t.Hash == hash, cancel))
        {
            await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = false where template_id = {spec.Id} and hash = {hash} and retired", cancel);
            return;
        }
        var guide = Path.Combine(folder, "guide.md") is var path && File.Exists(path) && new FileInfo(path).Length <= LargestGuide ? await File.ReadAllTextAsync(path, cancel) : "";
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(clock.GetUtcNow()), TemplateId = spec.Id, Hash = hash, Spec = spec, Guide = guide });
        await db.SaveChangesAsync(cancel);
        log.LogInformation("Published {Template}, version {Hash}.", spec.Id, hash[..12]);
    }

    /// <summary>Of every file's name and content; links are none of a template's.</summary>
    private static string HashOf(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var files = Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint });
        foreach (var file in files.Select(f => (Path: f, Name: Path.GetRelativePath(folder, f))).OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            var content = File.ReadAllBytes(file.Path);
            hash.AppendData(Encoding.UTF8.GetBytes($"{file.Name}\n{content.Length}\n"));
            hash.AppendData(content);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
