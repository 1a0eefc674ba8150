using Portal.Core.Workspaces;
using Portal.Features.Templates;
using Portal.Features.Workspaces;

namespace Portal.Features;

public static class PortalFeatures
{
    /// <summary>Services that pages of several features share.</summary>
    public static IServiceCollection AddPortalFeatures(this IServiceCollection services) =>
        services.AddScoped<WorkspaceActionHandler>().AddScoped<TemplateActionHandler>().AddHostedService<WatchedWorkspaces>();
}
