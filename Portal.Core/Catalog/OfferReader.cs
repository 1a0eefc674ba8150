using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Catalog;

/// <summary>Reads what people decided about templates.</summary>
internal static class OfferReader
{
    /// <summary>Why no new launches are allowed (null while it is offered), and the classes that may launch it (empty for all).</summary>
    public static async Task<(string? Deprecated, IReadOnlyList<Guid> Classes)> ReadAsync(PortalDb db, string template, CancellationToken cancel)
    {
        var offer = await db.TemplateOffers.AsNoTracking().SingleOrDefaultAsync(o => o.TemplateId == template, cancel);
        return (offer is { Deprecated: true } ? offer.Reason ?? "" : null,
            await db.TemplateClasses.Where(c => c.TemplateId == template).Select(c => c.ClassId).ToListAsync(cancel));
    }
}
