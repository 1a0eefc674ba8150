using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Operations;

namespace Portal.Core.Quotas;

public static class StorageLeft
{
    /// <summary>
    /// GiB that the site's storage can still promise: free space, less the operator's reserve and less what was promised to folders
    /// and not written yet. A sparse file must never promise the same space twice. Null while the storage was never measured.
    /// </summary>
    public static async Task<long?> ReadAsync(PortalDb db, CancellationToken cancel)
    {
        if (await db.Site.AsNoTracking().SingleOrDefaultAsync(cancel) is not { StorageIsKnown: true } site) return null;
        var promised = await db.Reservations.Where(r => r.EndedAt == null && r.StorageGib > 0).SumAsync(r => (long)r.StorageGib, cancel) << 30;
        return Of(site, promised) >> 30;
    }

    /// <summary>The same in bytes, from known figures; may be below zero.</summary>
    public static long Of(SiteState site, long promised) => site.StorageFreeBytes - site.StorageReserveBytes - Math.Max(0, promised - site.StorageWrittenBytes);
}
