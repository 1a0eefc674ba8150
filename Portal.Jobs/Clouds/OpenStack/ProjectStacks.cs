using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Stacks and servers of one project.</summary>
internal sealed class ProjectStacks
{
    public ProjectStacks(OpenStackCloud cloud, string installation, ServerOptions options, OpenStackHttp http, ForeignReader reader, TimeProvider clock,
        ILoggerFactory logs)
    {
        Names = new(installation);
        Heat = new(cloud.Stacks);
        Nova = new(cloud.Servers, new(ServiceKind.Images, cloud.Keystone, http), options, clock);
        Progress = new(Heat, options, clock);
        Stacks = new(Heat, Nova, Names, new(Heat, Nova, Names, clock), Progress, new(Nova, Names, options, reader), options, clock,
            logs.CreateLogger<Stacks>());
    }

    public HeatNames Names { get; }
    public Heat Heat { get; }
    public Nova Nova { get; }
    public StackProgress Progress { get; }
    public Stacks Stacks { get; }
}

/// <summary>Those of every project, by the name of its credential.</summary>
internal sealed class ProjectStacksByKey(
    OpenStackClouds clouds, OpenStackOptions cloud, ServerOptions options, OpenStackHttp http, ForeignReader reader, TimeProvider clock, ILoggerFactory logs)
{
    private readonly ConcurrentDictionary<string, ProjectStacks> _projects = new(StringComparer.Ordinal);

    /// <summary>Calls nothing yet.</summary>
    public ProjectStacks Of(string key) =>
        _projects.GetOrAdd(key, k => new(clouds.Of(k), cloud.Installation, options, http, reader, clock, logs));
}

public static class OpenStackServerServices
{
    /// <summary>Stacks and servers of the projects of <see cref="OpenStackCloudServices.AddOpenStackCloud"/>, which it requires.</summary>
    public static IServiceCollection AddOpenStackServers(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<IValidateOptions<ServerOptions>, ServerOptionsCheck>();
        services.AddOptions<ServerOptions>().Bind(configuration.GetSection(ServerOptions.Section)).ValidateOnStart();
        services.AddSingleton(p => p.GetRequiredService<IOptions<ServerOptions>>().Value);
        return services.AddSingleton<ProjectStacksByKey>();
    }
}
