using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Catalog;

/// <summary>The rows of templates and images.</summary>
public static class CatalogRows
{
    extension(PortalDb db)
    {
        public DbSet<TemplateVersion> TemplateVersions => db.Set<TemplateVersion>();
        public DbSet<TemplateOffer> TemplateOffers => db.Set<TemplateOffer>();
        public DbSet<TemplateClass> TemplateClasses => db.Set<TemplateClass>();
        public DbSet<TemplateFaultRow> TemplateFaults => db.Set<TemplateFaultRow>();
        public DbSet<ImageRow> Images => db.Set<ImageRow>();
    }
}
