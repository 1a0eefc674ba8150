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

/// <summary>Checks the health of the clouds, as each pool reaches them, and keeps it in rows, for pages and policy.</summary>
public sealed class CloudHealth(IDbContextFactory<PortalDb> databases, CloudKits kits, IOptions<CapacityOptions> capacity, TimeProvider clock)
{
    private const int VcpusPerCore = 4, LaunchesPerCore = 2;
    private const double MemoryShare = 0.75;

    /// <summary>True if all respond. A pool that is slow to answer does not delay the rows of the others.</summary>
    public async Task<bool> LookAsync(CancellationToken cancel) => (await Task.WhenAll(kits.All.Select(k => LookAsync(k, cancel)))).All(ok => ok);

    /// <summary>The same for one pool.</summary>
    public async Task<bool> LookAsync(CloudKit kit, CancellationToken cancel)
    {
        var (clusters, clustersFault) = await TryAsync(kit.Clusters.PrepareAsync, cancel);
        var (storage, storageFault) = await TryAsync(kit.Shares.PrepareAsync, cancel);
        await using var db = await databases.CreateDbContextAsync(cancel);
        var (cloud, pool) = await RowsAsync(db, kit, cancel);
        (cloud.Title, pool.Title) = (kit.Cloud.Title, kit.Title);
        pool.Clusters = State(clusters?.Summary, clustersFault);
        pool.Storage = State(storage?.Summary, storageFault);
        pool.Egress = clusters?.Egress ?? pool.Egress;
        pool.SeenAt = clock.GetUtcNow();
        Measure(pool, clusters);
        await MeasureAsync(pool, kit, storage, cancel);
        cloud.LaunchesAtOnce = capacity.Value.LaunchesAtOnce ?? await MeasuredAsync(db, pool, cancel) ?? cloud.LaunchesAtOnce;
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

    private static async Task<(Cloud Cloud, Pool Pool)> RowsAsync(PortalDb db, CloudKit kit, CancellationToken cancel)
    {
        // Another process may add them at the same time, or another pool of the same cloud.
        if (await db.Clouds.SingleOrDefaultAsync(c => c.Key == kit.Cloud.Key, cancel) is not { } cloud)
        {
            await db.Database.ExecuteSqlAsync($"""
                insert into portal.clouds (key, kind, title, launches_at_once) values ({kit.Cloud.Key}, {kit.Cloud.Kind}, {kit.Cloud.Title}, 0)
                on conflict do nothing
                """, cancel);
            cloud = await db.Clouds.SingleAsync(c => c.Key == kit.Cloud.Key, cancel);
        }
        if (await db.Pools.SingleOrDefaultAsync(p => p.Key == kit.Key, cancel) is { } there) return (cloud, there);
        db.Pools.Add(new() { Key = kit.Key, CloudKey = kit.Cloud.Key, Credential = kit.Credential, Title = kit.Title });
        try { await db.SaveChangesAsync(cancel); }
        catch (DbUpdateException) { db.ChangeTracker.Clear(); }
        if (await db.Pools.SingleOrDefaultAsync(p => p.Key == kit.Key, cancel) is { } added)
            return (await db.Clouds.SingleAsync(c => c.Key == kit.Cloud.Key, cancel), added);
        var same = await db.Pools.FirstOrDefaultAsync(p => p.CloudKey == kit.Cloud.Key && p.Credential == kit.Credential, cancel);
        throw new InvalidOperationException(same is null
            ? $"The database does not accept the pool \"{kit.Key}\"."
            : $"The pool \"{kit.Key}\" of the cloud \"{kit.Cloud.Key}\" has the credential of the pool \"{same.Key}\", which tenants may name: "
                + $"configure it as \"{same.Key}\".");
    }

    /// <summary>What cannot be measured now keeps its last figures: a restart of the container engine must not make queued orders fail.</summary>
    private void Measure(Pool pool, CloudReport? report)
    {
        var set = capacity.Value;
        pool.CapacityVcpu = set.Vcpu ?? report?.Capacity?.Vcpu ?? report?.Vcpus * VcpusPerCore ?? pool.CapacityVcpu;
        pool.CapacityMemoryMib = set.MemoryMib ?? report?.Capacity?.MemoryMib
            ?? (report is null ? pool.CapacityMemoryMib : (int)(report.MemoryMib * MemoryShare));
        if (report is not null) (pool.NodeVcpu, pool.NodeMemoryMib, pool.Machines) = (report.Vcpus, (int)report.MemoryMib, report.Machines);
        pool.StorageReserveBytes = (long)set.StorageReserveGib << 30;
    }

    /// <summary>
    /// Launches at once of its cloud by the largest host that any of its pools has seen, so that it is the same whichever pool was looked at last,
    /// and stays while one of them is unavailable. Null if none has seen any. What a pool saw that is no longer configured does not count.
    /// </summary>
    private async Task<int?> MeasuredAsync(PortalDb db, Pool pool, CancellationToken cancel)
    {
        var configured = kits.All.Where(k => k.Key != pool.Key).Select(k => k.Key).ToList();
        var others = await db.Pools.Where(p => p.CloudKey == pool.CloudKey && configured.Contains(p.Key)).MaxAsync(p => (int?)p.NodeVcpu, cancel);
        return Math.Max(pool.NodeVcpu, others ?? 0) is > 0 and var most ? most * LaunchesPerCore : null;
    }

    private static async Task MeasureAsync(Pool pool, CloudKit kit, StorageReport? storage, CancellationToken cancel)
    {
        // Free space without the bytes already written would look like reserved space, so the first time both are stored together.
        if (storage is not null && !pool.StorageIsKnown)
        {
            if ((await TryAsync(kit.Filesets.UsageAsync, cancel)).Report is not { } seen) return;
            pool.StorageWrittenBytes = seen.Where(u => u.IsShare).Sum(u => u.TakenBytes);
        }
        if (storage is not null)
            (pool.StorageTotalBytes, pool.StorageFreeBytes, pool.BlocksEnforced) = (storage.TotalBytes, storage.FreeBytes, storage.BlocksEnforced);
    }
}
