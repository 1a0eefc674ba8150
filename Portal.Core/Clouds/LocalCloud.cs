using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Clouds;

/// <summary>The container engine and the disk of the portal's own host: the cloud of an installation that names no other.</summary>
public static class LocalCloud
{
    /// <summary>Key of the cloud and of its only pool.</summary>
    public const string Key = "local";

    public const string Kind = "docker", Title = "This host";

    /// <summary>Adds its rows if they are missing, so that tenants can name them before Jobs has looked for the first time.</summary>
    public static async Task AddAsync(PortalDb db, CancellationToken cancel)
    {
        if (!await db.Clouds.AnyAsync(c => c.Key == Key, cancel)) db.Clouds.Add(new() { Key = Key, Kind = Kind, Title = Title });
        if (!await db.Pools.AnyAsync(p => p.Key == Key, cancel)) db.Pools.Add(new() { Key = Key, CloudKey = Key, Title = Title });
    }
}
