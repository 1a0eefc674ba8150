using System.Collections.ObjectModel;
using System.Diagnostics.Metrics;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.EntityFrameworkCore;
using OpenTelemetry.Metrics;
using Portal.Access;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.Metrics;
using Portal.Core.Policy;

namespace Portal.Api;

/// <summary>
/// GET /metrics in Prometheus' format: readings of every node, counts of compute engines, runs, capacity, and this process. For a monitoring
/// system with the token of <c>Metrics:TokenFile</c>, and for signed-in operators; for other people the address does not exist.
/// </summary>
internal sealed class MetricsExport : IDisposable
{
    public const string Path = "/metrics", MeterName = "Portal";

    private readonly FiguresReader _reader;
    private readonly IDbContextFactory<PortalDb> _databases;
    private readonly byte[]? _token;
    private readonly Meter _meter;
    private Figures _now = new([], [], [], [], [], ReadOnlyDictionary<string, Core.Quotas.Amounts>.Empty);

    public MetricsExport(FiguresReader reader, IDbContextFactory<PortalDb> databases, IMeterFactory meters, IConfiguration configuration)
    {
        (_reader, _databases) = (reader, databases);
        if (configuration["Metrics:TokenFile"] is { Length: > 0 } file)
        {
            _token = Encoding.UTF8.GetBytes(File.ReadAllText(file).Trim());
            if (_token.Length < 20)
                throw new InvalidOperationException("Metrics:TokenFile names a file with fewer than 20 characters, too short for a secret.");
        }
        _meter = meters.Create(MeterName);
        Node("cpu_ratio", "Share of the CPU limit in use.", n => n.Cpu);
        Node("throttled_ratio", "Share of the time throttled by the CPU limit.", n => n.Throttled);
        Node("memory_working_set_bytes", "Memory in use, excluding reclaimable page cache.", n => n.MemoryBytes);
        Node("memory_limit_bytes", "Hard memory limit.", n => n.MemoryLimitBytes);
        Node("oom_kills", "Processes killed because the node ran out of memory, including child processes, since it was started.", n => n.OutOfMemoryKills);
        Node("restarts", "Automatic restarts after it stopped unexpectedly.", n => n.Restarts);
        Node("pids", "Processes and threads.", n => n.Pids);
        Node("network_receive_bytes_per_second", "Bytes received from its network.", n => n.NetIn);
        Node("network_transmit_bytes_per_second", "Bytes sent to its network.", n => n.NetOut);
        Node("disk_read_bytes_per_second", "Bytes read from disks.", n => n.DiskRead);
        Node("disk_written_bytes_per_second", "Bytes written to disks, to the extent that the kernel accounts for them.", n => n.DiskWritten);
        Node("scratch_bytes", "Bytes in its scratch folder.", n => n.ScratchBytes);
        Node("scratch_limit_bytes", "Hard limit of its scratch folder.", n => n.ScratchLimitBytes);
        Gauge("portal_workspace_count", "Counts reported by the compute engine of a workspace, plus kernels and terminals.",
            f => f.Counts.Select(c => new Measurement<double>(c.Value, [new("workspace", c.Slug), new("template", c.Template), new("what", c.Name)])));
        Gauge("portal_workspace_last_activity_timestamp_seconds",
            "When activity of a kernel, a terminal or the compute engine was last seen in a workspace.",
            f => f.Activities.Select(a => new Measurement<double>(a.At, [new("workspace", a.Slug), new("template", a.Template)])));
        Gauge("portal_runs", "Unfinished runs.",
            f => f.Runs.Select(r => new Measurement<double>(r.Number, [new("kind", r.Kind.ToString()), new("phase", r.Phase.ToString())])));
        Pool("capacity_vcpu", "Total vCPU that workspaces can use at once.", (p, _) => p.KnownCapacity?.Vcpu);
        Pool("capacity_memory_bytes", "Total memory that workspaces can use at once.", (p, _) => p.KnownCapacity?.MemoryMib * (double)(1 << 20));
        Pool("claimed_vcpu", "vCPU of running and starting workspaces.", (_, c) => c.Vcpu);
        Pool("claimed_memory_bytes", "Memory of running and starting workspaces.", (_, c) => (double)c.MemoryMib * (1 << 20));
        Pool("storage_bytes", "Size of the disk for work folders.", (p, _) => p.StorageIsKnown ? p.StorageTotalBytes : null);
        Pool("storage_free_bytes", "Free space on the disk for work folders.", (p, _) => p.StorageIsKnown ? p.StorageFreeBytes : null);
    }

    /// <summary>Refuses the request, or reads what the exporter then returns.</summary>
    public async Task HandleAsync(HttpContext http, RequestDelegate next)
    {
        if (!HttpMethods.IsGet(http.Request.Method) || !(HasToken(http) || await IsOperatorAsync(http.User, http.RequestAborted)))
        {
            // For programs: the bare status, without one of our pages.
            if (http.Features.Get<IStatusCodePagesFeature>() is { } pages) pages.Enabled = false;
            var known = http.User.Identity?.IsAuthenticated == true;
            if (!known) http.Response.Headers.WWWAuthenticate = "Bearer";
            http.Response.StatusCode = known ? StatusCodes.Status404NotFound : StatusCodes.Status401Unauthorized;
            return;
        }
        Volatile.Write(ref _now, await _reader.ReadAsync(http.RequestAborted));
        http.Response.Headers.CacheControl = "no-store";
        await next(http);
    }

    public void Dispose() => _meter.Dispose();

    private bool HasToken(HttpContext http) =>
        _token is not null && http.Request.Headers.Authorization is [{ } header] && header.StartsWith("Bearer ", StringComparison.Ordinal)
        && CryptographicOperations.FixedTimeEquals(_token, Encoding.UTF8.GetBytes(header["Bearer ".Length..]));

    private async Task<bool> IsOperatorAsync(ClaimsPrincipal user, CancellationToken cancel)
    {
        if (user.Identity?.IsAuthenticated != true) return false;
        await using var db = await _databases.CreateDbContextAsync(cancel);
        return Permissions.May(Verb.SeeOperations, await db.RolesAsync(user.Actor(), null, null, null, cancel));
    }

    private void Gauge(string name, string description, Func<Figures, IEnumerable<Measurement<double>>> values) =>
        _meter.CreateObservableGauge(name, () => values(Volatile.Read(ref _now)), unit: null, description);

    private void Node(string name, string description, Func<NodeFigures, double?> value) => Gauge($"portal_node_{name}", description, f =>
        from n in f.Nodes
        let v = value(n)
        where v is not null
        select new Measurement<double>(v.Value, [new("workspace", n.Slug), new("template", n.Template), new("node", n.Node)]));

    private void Pool(string name, string description, Func<Core.Clouds.Pool, Core.Quotas.Amounts, double?> value) =>
        Gauge($"portal_pool_{name}", description, f =>
            from p in f.Pools
            let v = value(p, f.Claimed.GetValueOrDefault(p.Key, Core.Quotas.Amounts.None))
            where v is not null
            select new Measurement<double>(v.Value, [new("cloud", p.CloudKey), new("pool", p.Key)]));
}

public static class MetricsExports
{
    public static IServiceCollection AddMetricsExport(this IServiceCollection services)
    {
        services.AddSingleton<MetricsExport>();
        services.AddOpenTelemetry().WithMetrics(m => m
            .AddMeter(MetricsExport.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Npgsql", "System.Runtime")
            // Each scrape reads rows; a cached response would show those of the previous one.
            .AddPrometheusExporter(o => o.ScrapeResponseCacheDurationMilliseconds = 0));
        return services;
    }

    /// <summary>Must come after authentication in the pipeline.</summary>
    public static void UseMetricsExport(this IApplicationBuilder app)
    {
        var export = app.ApplicationServices.GetRequiredService<MetricsExport>();
        app.UseOpenTelemetryPrometheusScrapingEndpoint(meterProvider: null, predicate: null, path: MetricsExport.Path,
            configureBranchedPipeline: branch => branch.Use(export.HandleAsync), optionsName: null);
    }
}
