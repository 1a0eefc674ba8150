namespace Portal.Core.Quotas;

/// <summary>The resources that quotas count. All quota arithmetic is here.</summary>
/// <param name="Vcpu">CPU limit in cores.</param>
/// <param name="MemoryMib">Memory limit, MiB.</param>
/// <param name="StorageGib">Hard limits of folders, GiB.</param>
/// <param name="Workspaces">Workspaces that exist, running or not.</param>
public sealed record Amounts(int Vcpu, int MemoryMib, int StorageGib, int Workspaces)
{
    public static readonly Amounts None = new(0, 0, 0, 0);

    public static Amounts operator +(Amounts a, Amounts b) =>
        new(a.Vcpu + b.Vcpu, a.MemoryMib + b.MemoryMib, a.StorageGib + b.StorageGib, a.Workspaces + b.Workspaces);
    public static Amounts operator -(Amounts a, Amounts b) =>
        new(a.Vcpu - b.Vcpu, a.MemoryMib - b.MemoryMib, a.StorageGib - b.StorageGib, a.Workspaces - b.Workspaces);

    /// <summary>The first resource that exceeds the limit; null if all fit.</summary>
    public Resource? FirstAbove(Amounts limit) =>
        Vcpu > limit.Vcpu ? Resource.Vcpu
        : MemoryMib > limit.MemoryMib ? Resource.Memory
        : StorageGib > limit.StorageGib ? Resource.Storage
        : Workspaces > limit.Workspaces ? Resource.Workspaces
        : null;

    /// <summary>The amount of one resource in its own unit.</summary>
    public int Of(Resource resource) => resource switch
    {
        Resource.Vcpu => Vcpu,
        Resource.Memory => MemoryMib,
        Resource.Storage => StorageGib,
        Resource.Workspaces => Workspaces,
        _ => throw new ArgumentOutOfRangeException(nameof(resource)),
    };
}

public enum Resource { Vcpu, Memory, Storage, Workspaces }

/// <summary>Tenant contains class contains member.</summary>
public enum QuotaLevel { Tenant, Class, Member }

/// <summary>A limit and what is reserved against it.</summary>
public sealed record QuotaState(QuotaLevel Level, string Owner, Amounts Limit, Amounts Promised)
{
    public Amounts Free => Limit - Promised;
}
