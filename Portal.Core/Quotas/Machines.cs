using System.Collections.Immutable;

namespace Portal.Core.Quotas;

/// <summary>A size of machine that a cloud offers.</summary>
public sealed record Flavor(string Name, int Vcpu, int MemoryMib);

/// <summary>
/// What a node occupies in a cloud. A container occupies its limits; a node that gets a machine of its own occupies that machine, which may be larger.
/// </summary>
/// <param name="Flavors">Sizes of machines; empty if a node occupies exactly its limits.</param>
/// <param name="OverheadMib">MiB that a machine needs for itself.</param>
public sealed record Machines(ImmutableArray<Flavor> Flavors, int OverheadMib)
{
    public static readonly Machines Exact = new([], 0);

    /// <summary>The smallest flavor that holds a node with these limits; null if none does, or if there are none.</summary>
    public Flavor? For(Amounts node) => Flavors
        .Where(f => f.Vcpu >= node.Vcpu && f.MemoryMib - OverheadMib >= node.MemoryMib)
        .OrderBy(f => f.Vcpu).ThenBy(f => f.MemoryMib).ThenBy(f => f.Name, StringComparer.Ordinal)
        .FirstOrDefault();

    /// <summary>What no flavor has enough of for a node with these limits; null if one holds it, or if there are none.</summary>
    public Resource? Lacks(Amounts node) =>
        Flavors.IsEmpty || For(node) is not null ? null : Flavors.Any(f => f.Vcpu >= node.Vcpu) ? Resource.Memory : Resource.Vcpu;

    /// <summary>vCPU and memory that a node with these limits takes from its pool.</summary>
    public Amounts Occupied(Amounts node) => For(node) is { } flavor ? new(flavor.Vcpu, flavor.MemoryMib, 0, 0) : new(node.Vcpu, node.MemoryMib, 0, 0);

    /// <summary>The same for several nodes.</summary>
    public Amounts Occupied(IEnumerable<Amounts> nodes) => nodes.Aggregate(Amounts.None, (sum, n) => sum + Occupied(n));
}
