using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Clouds;

/// <summary>The cloud that a pool is part of; the kits of its pools all name it in the same way.</summary>
/// <param name="Key">Of its row.</param>
/// <param name="Kind">The adapter, such as "docker".</param>
/// <param name="Title">Name for pages.</param>
public sealed record KitCloud(string Key, string Kind, string Title);

/// <summary>The ports of one pool: whoever calls them reaches its project, with its credential, and no other.</summary>
/// <param name="Key">Of the pool's row, which tenants name.</param>
/// <param name="Title">Name of the pool for pages.</param>
/// <param name="Addresses">The range from which its workspaces get their addresses.</param>
public sealed record CloudKit(
    string Key, string Title, KitCloud Cloud, IClusterCloud Clusters, IShareCloud Shares, IFilesetCloud Filesets, IImageCloud Images,
    AddressPool Addresses)
{
    /// <summary>Name of the credential that opens the project; null where the cloud needs none. The pools of one cloud differ in it.</summary>
    public string? Credential { get; init; }
}

/// <summary>Every pool of this installation.</summary>
public sealed class CloudKits(IEnumerable<CloudKit> kits)
{
    /// <summary>Each has another key, and is another project.</summary>
    public IReadOnlyList<CloudKit> All { get; } = Checked([.. kits]);

    /// <param name="key">Key of a pool.</param>
    public CloudKit Of(string key) => All.FirstOrDefault(k => k.Key == key)
        ?? throw new CloudException(key, CloudFault.Unavailable, "the background worker does not know this pool",
            "Configure it for the background worker, and restart the background worker.");

    /// <summary>The pool in which a workspace runs; null if there is no such workspace.</summary>
    public async Task<CloudKit?> OfAsync(PortalDb db, Guid workspace, CancellationToken cancel) =>
        await (from w in db.Workspaces
               join t in db.Tenants on w.TenantId equals t.Id
               where w.Id == workspace
               select t.PoolKey).SingleOrDefaultAsync(cancel) is { } key ? Of(key) : null;

    /// <summary>Does something in every pool at the same time. A failure is thrown once all have finished.</summary>
    public Task EachAsync(Func<CloudKit, Task> work) => Task.WhenAll(All.Select(work));

    private static IReadOnlyList<CloudKit> Checked(IReadOnlyList<CloudKit> kits)
    {
        if (Several(kits.GroupBy(k => k.Key, StringComparer.Ordinal)) is { Key: var pool })
            throw new InvalidOperationException($"Several pools have the key \"{pool}\". Give each its own.");
        if (Several(kits.Select(k => k.Cloud).Distinct().GroupBy(c => c.Key, StringComparer.Ordinal)) is { Key: var cloud })
            throw new InvalidOperationException($"The pools of the cloud \"{cloud}\" disagree about its kind or title.");
        if (Several(kits.GroupBy(k => (k.Cloud.Key, k.Credential))) is { Key: var project } same)
            throw new InvalidOperationException(
                $"The pools {string.Join(" and ", same.Select(k => $"\"{k.Key}\""))} of the cloud \"{project.Key}\" name "
                + (project.Credential is { } credential ? $"the same credential, \"{credential}\"" : "no credential")
                + ", so they are the same project. Keep one of them, or give each its own credential.");
        return kits;
    }

    private static IGrouping<TKey, TItem>? Several<TKey, TItem>(IEnumerable<IGrouping<TKey, TItem>> groups) => groups.FirstOrDefault(g => g.Count() > 1);
}
