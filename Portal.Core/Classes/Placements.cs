using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Quotas;

namespace Portal.Core.Classes;

/// <summary>Reads where tenants run, and what is left there.</summary>
public static class Placements
{
    public static async Task<Placement> PlacementAsync(this PortalDb db, Guid tenant, CancellationToken cancel)
    {
        var found = await (from t in db.Tenants
                           join p in db.Pools on t.PoolKey equals p.Key
                           join c in db.Clouds on p.CloudKey equals c.Key
                           where t.Id == tenant
                           select new { Cloud = c, Pool = p, Several = db.Set<Pool>().Any(o => o.Key != p.Key) }).AsNoTracking().SingleAsync(cancel);
        return new(found.Cloud, found.Pool, found.Several ? found.Pool.Title : null);
    }

    /// <summary>
    /// GiB of a pool's storage that can still be reserved: free space, less the operator's reserve and less what is reserved for folders
    /// but not yet written. The space of a sparse file must never be reserved twice. Null while the storage was never measured.
    /// </summary>
    public static async Task<long?> StorageLeftGibAsync(this PortalDb db, Pool pool, CancellationToken cancel) =>
        pool.StorageIsKnown ? StorageLeft(pool, await db.PromisedBytesAsync(pool.Key, cancel)) >> 30 : null;

    /// <summary>The same in bytes, from known figures; may be below zero.</summary>
    public static long StorageLeft(Pool pool, long promised) =>
        pool.StorageFreeBytes - pool.StorageReserveBytes - Math.Max(0, promised - pool.StorageWrittenBytes);

    /// <summary>Bytes reserved for folders in a pool, written or not.</summary>
    public static async Task<long> PromisedBytesAsync(this PortalDb db, string pool, CancellationToken cancel) =>
        await (from r in db.Reservations
               join t in db.Tenants on r.TenantId equals t.Id
               where r.EndedAt == null && r.StorageGib > 0 && t.PoolKey == pool
               select (long)r.StorageGib).SumAsync(cancel) << 30;
}
