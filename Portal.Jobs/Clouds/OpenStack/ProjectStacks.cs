using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Options;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>What stacks and servers of every project have in common.</summary>
internal sealed record ServerParts(
    ServerOptions Options, EngineKeys Keys, OpenStackHttp Http, TimeProvider Clock, ILoggerFactory Logs);

/// <summary>Stacks and servers of one project.</summary>
internal sealed class ProjectStacks
{
    public ProjectStacks(OpenStackCloud cloud, string installation, ServerParts parts)
    {
        var (options, clock, owned) = (parts.Options, parts.Clock, new Owned(installation));
        Names = new(installation);
        Heat = new(cloud.Stacks);
        Nova = new(cloud.Servers, new(ServiceKind.Images, cloud.Keystone, parts.Http), options, clock);
        Progress = new(Heat, options, clock);
        Stacks = new(Heat, Nova, Names, new(Heat, Nova, Names, clock), Progress, new(Nova, Names, options, parts.Keys), options, clock,
            parts.Logs.CreateLogger<Stacks>());
        var engines = new ServerEngines(parts.Keys, owned, options, clock);
        var nodes = new ServerNodes(Stacks, Nova, Names, engines, new(owned, options), options, clock, parts.Logs.CreateLogger<ServerNodes>());
        Clusters = new ServerClusters(Stacks, nodes, Progress, new(Nova, engines, options), new(cloud.Networks), options, clock);
        Images = new ServerImages(Nova, options);
    }

    public HeatNames Names { get; }
    public Heat Heat { get; }
    public Nova Nova { get; }
    public StackProgress Progress { get; }
    public Stacks Stacks { get; }
    public IClusterCloud Clusters { get; }
    public ServerImages Images { get; }
}

/// <summary>Those of every project, by the name of its credential.</summary>
internal sealed class ProjectStacksByKey(OpenStackClouds clouds, OpenStackOptions cloud, ServerParts parts)
{
    private readonly ConcurrentDictionary<string, ProjectStacks> _projects = new(StringComparer.Ordinal);

    /// <summary>Calls nothing yet.</summary>
    public ProjectStacks Of(string key) => _projects.GetOrAdd(key, k => new(clouds.Of(k), cloud.Installation, parts));
}

public static class OpenStackServerServices
{
    /// <summary>
    /// Stacks and servers of the projects of <see cref="OpenStackCloudServices.AddOpenStackCloud"/>, which it requires, and a <see cref="CloudKit"/> for
    /// each of <c>Clouds:OpenStack:Pools</c>.
    /// </summary>
    public static IServiceCollection AddOpenStackServers(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<IValidateOptions<ServerOptions>, ServerOptionsCheck>();
        services.AddOptions<ServerOptions>().Bind(configuration.GetSection(ServerOptions.Section)).ValidateOnStart();
        services.AddSingleton(p => p.GetRequiredService<IOptions<ServerOptions>>().Value);
        services.AddSingleton(p => new EngineKeys(p.GetRequiredService<ServerOptions>().Keys, p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<ServerParts>().AddSingleton<ProjectStacksByKey>();
        foreach (var pool in OpenStackOptions.PoolsOf(configuration)) services.AddSingleton(p => KitOf(p, pool));
        return services;
    }

    private static CloudKit KitOf(IServiceProvider services, PoolOptions pool)
    {
        var options = services.GetRequiredService<OpenStackOptions>();
        var (cloud, project) = (services.GetRequiredService<OpenStackClouds>().Of(pool.CredentialKey),
            services.GetRequiredService<ProjectStacksByKey>().Of(pool.CredentialKey));
        return new(pool.Key, pool.Name, new(options.Key, OpenStackOptions.Kind, options.Title), project.Clusters, cloud.Shares, cloud.Filesets,
            project.Images, new(IPNetwork.Parse(pool.Addresses), $"{OpenStackOptions.Section}:Pools:…:{nameof(pool.Addresses)}"))
        { Credential = pool.CredentialKey };
    }
}
