using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Clouds;

/// <summary>The ports of one cloud.</summary>
/// <param name="Key">Of its row; tenants name it through their pool.</param>
/// <param name="Kind">The adapter, such as "docker".</param>
/// <param name="Title">Name for pages.</param>
/// <param name="Addresses">The range from which its workspaces get their addresses.</param>
public sealed record CloudKit(
    string Key, string Kind, string Title, IClusterCloud Clusters, IShareCloud Shares, IFilesetCloud Filesets, IImageCloud Images,
    AddressPool Addresses);

/// <summary>Every cloud of this installation.</summary>
public sealed class CloudKits(IEnumerable<CloudKit> kits)
{
    /// <summary>Each has another key.</summary>
    public IReadOnlyList<CloudKit> All { get; } = [.. kits.ToDictionary(k => k.Key, StringComparer.Ordinal).Values];

    public CloudKit Of(string key) => All.FirstOrDefault(k => k.Key == key)
        ?? throw new CloudException(key, CloudFault.Unavailable, "the background worker does not know this cloud",
            "Configure it for the background worker, and restart the background worker.");

    /// <summary>The cloud in which a workspace runs; null if there is no such workspace.</summary>
    public async Task<CloudKit?> OfAsync(PortalDb db, Guid workspace, CancellationToken cancel) =>
        await (from w in db.Workspaces
               join t in db.Tenants on w.TenantId equals t.Id
               join p in db.Pools on t.PoolKey equals p.Key
               where w.Id == workspace
               select p.CloudKey).SingleOrDefaultAsync(cancel) is { } key ? Of(key) : null;

    /// <summary>Does something in every cloud at the same time. A failure is thrown once all have finished.</summary>
    public Task EachAsync(Func<CloudKit, Task> work) => Task.WhenAll(All.Select(work));
}
