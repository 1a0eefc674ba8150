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
                           select new { Cloud = c, Pool = p, Several = db.Set<Cloud>().Count() > 1 }).AsNoTracking().SingleAsync(cancel);
        return new(found.Cloud, found.Pool, found.Several ? found.Cloud.Title : null);
    }

    /// <summary>
    /// GiB of a cloud's storage that can still be reserved: free space, less the operator's reserve and less what is reserved for folders
    /// but not yet written. The space of a sparse file must never be reserved twice. Null while the storage was never measured.
    /// </summary>
    public static async Task<long?> StorageLeftGibAsync(this PortalDb db, Cloud cloud, CancellationToken cancel) =>
        cloud.StorageIsKnown ? StorageLeft(cloud, await db.PromisedBytesAsync(cloud.Key, cancel)) >> 30 : null;

    /// <summary>The same in bytes, from known figures; may be below zero.</summary>
    public static long StorageLeft(Cloud cloud, long promised) =>
        cloud.StorageFreeBytes - cloud.StorageReserveBytes - Math.Max(0, promised - cloud.StorageWrittenBytes);

    /// <summary>Bytes reserved for folders in a cloud, written or not.</summary>
    public static async Task<long> PromisedBytesAsync(this PortalDb db, string cloud, CancellationToken cancel) =>
        await (from r in db.Reservations
               join t in db.Tenants on r.TenantId equals t.Id
               join p in db.Pools on t.PoolKey equals p.Key
               where r.EndedAt == null && r.StorageGib > 0 && p.CloudKey == cloud
               select (long)r.StorageGib).SumAsync(cancel) << 30;
}
