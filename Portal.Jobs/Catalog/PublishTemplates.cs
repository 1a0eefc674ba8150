using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;

namespace Portal.Jobs.Catalog;

/// <summary>Publishes the templates that ship with the portal. Equal text is the same version; changed text is a new one, and the one before is no longer offered.</summary>
public sealed class PublishTemplates(IDbContextFactory<PortalDb> databases, TimeProvider clock, ILogger<PublishTemplates> log)
{
    private const long OnePublisher = 7404;

    /// <param name="folder">Holds one folder a template, each with a template.yaml.</param>
    public async Task<IReadOnlyList<TemplateFault>> RunAsync(string folder, CancellationToken cancel)
    {
        var faults = new List<TemplateFault>();
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlAsync($"select pg_advisory_xact_lock({OnePublisher})", cancel);
        foreach (var file in Directory.EnumerateFiles(folder, "template.yaml", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var (spec, hash, fault) = TemplateFile.Read(Path.GetRelativePath(folder, file), await File.ReadAllBytesAsync(file, cancel));
            if (fault is not null)
            {
                log.LogError("A template was not published: {Fault}", fault);
                faults.Add(fault);
                continue;
            }
            await PublishAsync(db, spec!, hash, cancel);
        }
        await transaction.CommitAsync(cancel);
        return faults;
    }

    private async Task PublishAsync(PortalDb db, TemplateSpec spec, string hash, CancellationToken cancel)
    {
        await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = true where template_id = {spec.Id} and hash <> {hash} and not retired", cancel);
        if (await db.TemplateVersions.AnyAsync(t => t.TemplateId == spec.Id && t.Hash == hash, cancel))
        {
            await db.Database.ExecuteSqlAsync($"update portal.template_versions set retired = false where template_id = {spec.Id} and hash = {hash} and retired", cancel);
            return;
        }
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(clock.GetUtcNow()), TemplateId = spec.Id, Hash = hash, Spec = spec });
        await db.SaveChangesAsync(cancel);
        log.LogInformation("Published {Template}, version {Hash}.", spec.Id, hash[..12]);
    }
}
