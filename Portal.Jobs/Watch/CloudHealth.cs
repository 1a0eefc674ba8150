using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Foreign;
using Portal.Core.Operations;

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
public sealed class CloudHealth(
    IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, IClusterCloud clusters, IShareCloud shares, IFilesetCloud filesets,
    IOptions<CapacityOptions> capacity, TimeProvider clock)
{
    private const int VcpusPerCore = 4, LaunchesPerCore = 2;
    private const double MemoryShare = 0.75;

    /// <summary>True if all respond.</summary>
    public async Task<bool> LookAsync(CancellationToken cancel)
    {
        var (containerEngine, containerEngineFault) = await TryAsync(clusters.PrepareAsync, cancel);
        var (storage, storageFault) = await TryAsync(shares.PrepareAsync, cancel);
        await SayAsync("engine", containerEngine?.Summary, containerEngineFault, cancel);
        await SayAsync("storage", storage?.Summary, storageFault, cancel);
        await MeasureAsync(containerEngine, storage, cancel);
        return containerEngineFault is null && storageFault is null;
    }

    private static async Task<(T? Report, CloudException? Fault)> TryAsync<T>(Func<CancellationToken, Task<T>> read, CancellationToken cancel) where T : class
    {
        try { return (await read(cancel), null); }
        catch (CloudException e) { return (null, e); }
    }

    private async Task SayAsync(string name, string? summary, CloudException? fault, CancellationToken cancel)
    {
        await using var write = data.CreateCommand("""
            insert into portal.cloud_states (name, ok, message, remedy, seen_at) values ($1, $2, $3, $4, clock_timestamp())
            on conflict (name) do update set ok = excluded.ok, message = excluded.message, remedy = excluded.remedy, seen_at = excluded.seen_at
            """);
        object[] values = [name, fault is null, ForeignText.Clean(fault?.Message ?? summary), (object?)fault?.WhatToDo ?? DBNull.Value];
        foreach (var value in values) write.Parameters.Add(new() { Value = value });
        await write.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>What cannot be measured now keeps its last figures: a restart of the container engine must not make queued orders fail.</summary>
    private async Task MeasureAsync(CloudReport? containerEngine, StorageReport? storage, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var site = await db.Site.SingleOrDefaultAsync(cancel);
        if (site is null) db.Site.Add(site = new SiteState());
        var set = capacity.Value;
        site.CapacityVcpu = set.Vcpu ?? containerEngine?.Vcpus * VcpusPerCore ?? site.CapacityVcpu;
        site.CapacityMemoryMib = set.MemoryMib ?? (containerEngine is null ? site.CapacityMemoryMib : (int)(containerEngine.MemoryMib * MemoryShare));
        if (containerEngine is not null) (site.NodeVcpu, site.NodeMemoryMib) = (containerEngine.Vcpus, (int)containerEngine.MemoryMib);
        site.LaunchesAtOnce = set.LaunchesAtOnce ?? containerEngine?.Vcpus * LaunchesPerCore ?? site.LaunchesAtOnce;
        site.StorageReserveBytes = (long)set.StorageReserveGib << 30;
        // Free space without the bytes already written would look like reserved space, so the first time both are stored together.
        if (storage is not null && !site.StorageIsKnown)
        {
            if ((await TryAsync(filesets.UsageAsync, cancel)).Report is { } seen) site.StorageWrittenBytes = seen.Where(u => u.IsShare).Sum(u => u.UsedBytes);
            else storage = null;
        }
        if (storage is not null)
            (site.StorageTotalBytes, site.StorageFreeBytes, site.BlocksEnforced) = (storage.TotalBytes, storage.FreeBytes, storage.BlocksEnforced);
        site.UpdatedAt = clock.GetUtcNow();
        await db.SaveChangesAsync(cancel);
    }
}
