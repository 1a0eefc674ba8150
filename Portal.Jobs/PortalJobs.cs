using System.Net;
using Microsoft.Extensions.Options;
using Portal.Core.Clouds;
using Portal.Jobs.Background;
using Portal.Jobs.Catalog;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Leases;
using Portal.Jobs.Plans;
using Portal.Jobs.Proofs;
using Portal.Jobs.Restarts;
using Portal.Jobs.Runs;
using Portal.Jobs.Steps;
using Portal.Jobs.Sweeps;
using Portal.Jobs.Watch;

namespace Portal.Jobs;

public static class PortalJobsServices
{
    /// <summary>Everything that runs in Jobs except the clouds and the kernel check, which are ports. A test hosts it with scripted ones.</summary>
    public static IServiceCollection AddPortalJobs(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<RunOptions>()
            .BindConfiguration("Runs")
            .Validate(o => o.Heartbeat * 2 < o.Lease, "Runs:Lease must be more than twice Runs:Heartbeat.")
            .ValidateOnStart();
        services.AddSingleton(p => p.GetRequiredService<IOptions<RunOptions>>().Value);
        services.AddOptions<CapacityOptions>().BindConfiguration("Site:Capacity").ValidateOnStart();
        services.AddSingleton(p => new Worker($"{Environment.MachineName}:{Environment.ProcessId}:{p.GetRequiredService<TimeProvider>().GetTimestamp():x}"));
        services.AddLocalPool(configuration);
        services.AddSingleton<CloudKits>();
        services.AddSingleton<RunStore>()
            .AddSingleton<Admission>()
            .AddSingleton<DispatchSignal>()
            .AddSingleton<RunQueues>()
            .AddSingleton<RunFactsReader>()
            .AddSingleton<Generations>()
            .AddSingleton<ReleaseRows>()
            .AddSingleton<OrderChecks>()
            .AddSingleton<StepClock>()
            .AddSingleton<LeavingWorkers>();
        services.AddSteps();
        services.AddSingleton<ClusterPlans>().AddSingleton<GrantedAccess>()
            .AddSingleton<EngineCounts>()
            .AddSingleton(new TemplateStore(configuration["Catalog:Store"] ?? Path.Combine(AppContext.BaseDirectory, "Catalog", "Published")));
        services.AddSingleton<AdvanceRun>()
            .AddSingleton<NodeRows>()
            .AddSingleton<WorkerRestarts>()
            .AddSingleton<CloudHealth>()
            .AddSingleton<Readings>()
            .AddSingleton<SampleRows>()
            .AddSingleton<NotebookStates>()
            .AddSingleton<Signals>();
        services.AddSingleton<Sweeps.Sweeps>()
            .AddSingleton<EndTimes>()
            .AddSingleton<Orphans>()
            .AddSingleton<ExcessWorkers>()
            .AddSingleton<LostFolders>()
            .AddSingleton<Usage>()
            .AddSingleton<Retention>()
            .AddSingleton<Rollup>()
            .AddSingleton<Idle>();
        services.AddSingleton(TemplateFolders.Of(configuration)).AddSingleton<PublishTemplates>();

        // Stopped in reverse order: claiming stops first, then Hangfire (jobs hand their runs back), the heartbeat last.
        services.AddHostedService<StartupChecks>();
        services.AddSingleton<HeldRuns>().AddHostedService(p => p.GetRequiredService<HeldRuns>());
        services.AddPortalHangfire(configuration.GetConnectionString("portal")!);
        services.AddHostedService<CatalogWatch>()
            .AddHostedService<Schedule>()
            .AddHostedService<NodeWatch>()
            .AddHostedService<FrequentSweeps>()
            .AddHostedService<SignalWatch>()
            .AddHostedService<WatchedListener>()
            .AddHostedService(p => p.GetRequiredService<WorkerRestarts>())
            .AddHostedService<RunListener>()
            .AddHostedService<Dispatcher>();
        return services.Configure<HostOptions>(h => h.ShutdownTimeout = TimeSpan.FromSeconds(30));
    }

    /// <summary>The pool on this host, unless only other clouds are configured.</summary>
    private static void AddLocalPool(this IServiceCollection services, IConfiguration configuration)
    {
        var elsewhere = services.Any(s => s.ServiceType == typeof(CloudKit));
        if (elsewhere && configuration[$"{DockerOptions.Section}:{nameof(DockerOptions.Socket)}"] is null or "") return;
        services.AddSingleton(p => new CloudKit(LocalCloud.Key, LocalCloud.Title, new(LocalCloud.Key, LocalCloud.Kind, LocalCloud.Title),
            p.GetRequiredService<IClusterCloud>(), p.GetRequiredService<IShareCloud>(), p.GetRequiredService<IFilesetCloud>(),
            p.GetRequiredService<IImageCloud>(),
            new(IPNetwork.Parse(configuration["Clouds:Docker:Pool"] ?? new DockerOptions().Pool), "Clouds:Docker:Pool")));
    }

    private static void AddSteps(this IServiceCollection services) =>
        services.AddSingleton<Plan>()
            .AddSingleton<IStep, CheckOrder>()
            .AddSingleton<IStep, EnsureWorkFolder>()
            .AddSingleton<IStep, EnsureAccess>()
            .AddSingleton<IStep, EnsureCluster>()
            .AddSingleton<IStep, ProveEngine>()
            .AddSingleton<IStep, ProveNotebook>()
            .AddSingleton<IStep, StopNodes>()
            .AddSingleton<IStep, Unmount>()
            .AddSingleton<IStep, DenyAccess>()
            .AddSingleton<IStep, DropNetwork>()
            .AddSingleton<IStep, DropScratch>()
            .AddSingleton<IStep, Forget>()
            .AddSingleton<IStep, CheckResize>()
            .AddSingleton<IStep, DrainWorkers>()
            .AddSingleton<IStep, DropWorkers>()
            .AddSingleton<IStep, UnmountWorkers>()
            .AddSingleton<IStep, DropWorkerScratch>()
            .AddSingleton<IStep, KeepWorkers>();
}
