using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Operations;

namespace Portal.Core.Quotas;

public static class StorageLeft
{
    /// <summary>
    /// GiB of the site's storage that can still be reserved: free space, less the operator's reserve and less what is reserved for folders
    /// but not yet written. The space of a sparse file must never be reserved twice. Null while the storage was never measured.
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
