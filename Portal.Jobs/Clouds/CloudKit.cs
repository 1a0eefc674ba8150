using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds;

/// <summary>The ports of one cloud.</summary>
/// <param name="Key">Of its row; tenants name it through their pool.</param>
/// <param name="Kind">The adapter, such as "docker".</param>
/// <param name="Title">Name for pages.</param>
public sealed record CloudKit(string Key, string Kind, string Title, IClusterCloud Clusters, IShareCloud Shares, IFilesetCloud Filesets);

/// <summary>Every cloud of this installation.</summary>
public sealed class CloudKits(IEnumerable<CloudKit> kits)
{
    public IReadOnlyList<CloudKit> All { get; } = [.. kits];
}
