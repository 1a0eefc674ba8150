using Microsoft.Extensions.Options;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

public static class DockerCloudServices
{
    /// <summary>
    /// <see cref="IClusterCloud"/> for the container engine named in <c>Clouds:Docker:Socket</c>; if none is named, one whose every call says what is missing.
    /// Requires <see cref="TimeProvider"/> and <c>Installation:Id</c>.
    /// </summary>
    public static IServiceCollection AddDockerCloud(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<IValidateOptions<DockerOptions>, DockerOptionsCheck>();
        services.AddOptions<DockerOptions>().Bind(configuration.GetSection(DockerOptions.Section)).Configure(o => Complete(o, configuration)).ValidateOnStart();
        services.AddSingleton(p => p.GetRequiredService<IOptions<DockerOptions>>().Value);
        var socket = configuration[$"{DockerOptions.Section}:{nameof(DockerOptions.Socket)}"] ?? "";
        services.AddSingleton(_ => new ContainerEngine(new EngineAddress.Socket(socket)));
        services.AddSingleton(_ => new Owned(configuration["Installation:Id"] ?? ""));
        services.AddSingleton<Networks>();
        services.AddSingleton<FirewallRules>();
        services.AddSingleton<Firewall>();
        if (socket.Length == 0)
        {
            return services.AddSingleton<IClusterCloud, NoClusterCloud>();
        }

        services.AddSingleton(p => new Identities(p.GetRequiredService<DockerOptions>().Identities));
        services.AddSingleton<NodeRecipe>();
        services.AddSingleton<ClusterLook>();
        services.AddSingleton<ContainerEngineProbe>();
        services.AddSingleton<NodeReadings>();
        services.AddSingleton<HostRanges>();
        return services.AddSingleton<IClusterCloud, DockerClusters>();
    }

    private static void Complete(DockerOptions options, IConfiguration configuration)
    {
        if (options.Identities.Length == 0
            && configuration["Clouds:LocalStorage:Mounts"] is { Length: > 0 } mounts
            && Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(mounts)) is { } beside)
        {
            options.Identities = Path.Combine(beside, "identities");
        }
    }
}
