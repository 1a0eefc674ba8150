using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Foreign;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Watch;

/// <summary>Section "Site:Capacity": what may run at once; values that are not set are measured.</summary>
public sealed class CapacityOptions
{
    /// <summary>Total vCPU; by default 4 per core of the host.</summary>
    public int? Vcpu { get; init; }

    /// <summary>Total MiB; by default 75 % of the host's memory.</summary>
    public int? MemoryMib { get; init; }

    /// <summary>Launches at once; by default 2 per core.</summary>
    public int? LaunchesAtOnce { get; init; }

    /// <summary>Free disk space in GiB below which no launch is accepted.</summary>
    public int StorageReserveGib { get; init; } = 2;
}

/// <summary>Checks the health of the clouds and keeps it in rows, for pages and policy.</summary>
public sealed class CloudHealth(IDbContextFactory<PortalDb> databases, CloudKits kits, IOptions<CapacityOptions> capacity, TimeProvider clock)
{
    private const int VcpusPerCore = 4, LaunchesPerCore = 2;
    private const double MemoryShare = 0.75;

    /// <summary>True if all respond. A cloud that is slow to answer does not delay the rows of the others.</summary>
    public async Task<bool> LookAsync(CancellationToken cancel) => (await Task.WhenAll(kits.All.Select(k => LookAsync(k, cancel)))).All(ok => ok);

    /// <summary>The same for one cloud.</summary>
    public async Task<bool> LookAsync(CloudKit kit, CancellationToken cancel)
    {
        var (clusters, clustersFault) = await TryAsync(kit.Clusters.PrepareAsync, cancel);
        var (storage, storageFault) = await TryAsync(kit.Shares.PrepareAsync, cancel);
        await using var db = await databases.CreateDbContextAsync(cancel);
        var cloud = await db.Clouds.SingleOrDefaultAsync(c => c.Key == kit.Key, cancel)
            ?? db.Clouds.Add(new() { Key = kit.Key, Kind = kit.Kind, Title = kit.Title }).Entity;
        cloud.Title = kit.Title;
        cloud.Clusters = State(clusters?.Summary, clustersFault);
        cloud.Storage = State(storage?.Summary, storageFault);
        cloud.Egress = clusters?.Egress ?? cloud.Egress;
        cloud.SeenAt = clock.GetUtcNow();
        Measure(cloud, await PoolAsync(db, kit, cancel), clusters);
        await MeasureAsync(cloud, kit, storage, cancel);
        await db.SaveChangesAsync(cancel);
        return clustersFault is null && storageFault is null;
    }

    private static async Task<(T? Report, CloudException? Fault)> TryAsync<T>(Func<CancellationToken, Task<T>> read, CancellationToken cancel) where T : class
    {
        try { return (await read(cancel), null); }
        catch (CloudException e) { return (null, e); }
    }

    private static ServiceState State(string? summary, CloudException? fault) =>
        new(fault is null, ForeignText.Clean(fault?.Message ?? summary), fault?.WhatToDo);

    private static async Task<Pool> PoolAsync(PortalDb db, CloudKit kit, CancellationToken cancel) =>
        await db.Pools.SingleOrDefaultAsync(p => p.Key == kit.Key, cancel) ?? db.Pools.Add(new() { Key = kit.Key, CloudKey = kit.Key }).Entity;

    /// <summary>What cannot be measured now keeps its last figures: a restart of the container engine must not make queued orders fail.</summary>
    private void Measure(Cloud cloud, Pool pool, CloudReport? report)
    {
        var set = capacity.Value;
        pool.CapacityVcpu = set.Vcpu ?? report?.Vcpus * VcpusPerCore ?? pool.CapacityVcpu;
        pool.CapacityMemoryMib = set.MemoryMib ?? (report is null ? pool.CapacityMemoryMib : (int)(report.MemoryMib * MemoryShare));
        if (report is not null) (cloud.NodeVcpu, cloud.NodeMemoryMib, cloud.Machines) = (report.Vcpus, (int)report.MemoryMib, report.Machines);
        cloud.LaunchesAtOnce = set.LaunchesAtOnce ?? report?.Vcpus * LaunchesPerCore ?? cloud.LaunchesAtOnce;
        cloud.StorageReserveBytes = (long)set.StorageReserveGib << 30;
    }

    private static async Task MeasureAsync(Cloud cloud, CloudKit kit, StorageReport? storage, CancellationToken cancel)
    {
        // Free space without the bytes already written would look like reserved space, so the first time both are stored together.
        if (storage is not null && !cloud.StorageIsKnown)
        {
            if ((await TryAsync(kit.Filesets.UsageAsync, cancel)).Report is not { } seen) return;
            cloud.StorageWrittenBytes = seen.Where(u => u.IsShare).Sum(u => u.UsedBytes);
        }
        if (storage is not null)
            (cloud.StorageTotalBytes, cloud.StorageFreeBytes, cloud.BlocksEnforced) = (storage.TotalBytes, storage.FreeBytes, storage.BlocksEnforced);
    }
}
