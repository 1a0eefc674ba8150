using System.Collections.Immutable;

namespace Portal.Core.Policy;

/// <summary>
/// The launches in progress in a cloud, against its launches at once. Each pool may use what the others leave, and always has a share: a pool whose launches
/// take long, wait for a retry or hang keeps nobody in another pool waiting until they end.
/// </summary>
/// <param name="AtOnce">Launches at once of the cloud; 0 while unknown.</param>
/// <param name="Starting">How many are in progress in each of its pools, by key; 0 where there are none.</param>
public sealed record CloudLaunches(int AtOnce, ImmutableDictionary<string, int> Starting)
{
    /// <summary>What a pool may have in progress whatever the others do: an equal part, and at least one.</summary>
    public int Share => AtOnce > 0 ? Math.Max(1, AtOnce / Math.Max(1, Starting.Count)) : 0;

    /// <summary>Whether one more may start in this pool.</summary>
    public bool MayStart(string pool) => Starting.Values.Sum() < AtOnce || Starting.GetValueOrDefault(pool) < Share;

    /// <summary>With one more in this pool.</summary>
    public CloudLaunches And(string pool) => this with { Starting = Starting.SetItem(pool, Starting.GetValueOrDefault(pool) + 1) };
}
