using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Live;
using Portal.Core.Offers;
using Portal.Core.Operations;
using Portal.Core.Workspaces;

namespace Portal.Core;

public static class PortalCoreServices
{
    /// <summary>Verbs and feeds. Requires <c>AddPortalData</c> and a <see cref="TimeProvider"/>.</summary>
    public static IServiceCollection AddPortalCore(this IServiceCollection services) => services
        .AddSingleton<Data.SchemaGate>()
        .AddSingleton<Changes>().AddHostedService(p => p.GetRequiredService<Changes>())
        .AddSingleton<Runs.StepHistories>()
        .AddSingleton<LaunchWorkspace>().AddSingleton<LaunchPreview>()
        .AddSingleton<StartPreview>()
        .AddSingleton<StopWorkspace>()
        .AddSingleton<StartWorkspace>()
        .AddSingleton<ExtendWorkspace>()
        .AddSingleton<KeepWorkspace>()
        .AddSingleton<FindNode>()
        .AddSingleton<ResizeWorkspace>()
        .AddSingleton<ResizePreview>()
        .AddSingleton<Classes.SetIdleRule>()
        .AddSingleton<DeleteWorkspace>()
        .AddSingleton<DeprecateTemplate>().AddSingleton<OfferTemplate>().AddSingleton<RestrictTemplate>()
        .AddSingleton<Metrics.MetricsReader>().AddSingleton<Metrics.FiguresReader>()
        .AddSingleton<WorkspaceFeed>().AddSingleton<CatalogFeed>().AddSingleton<TemplatesFeed>().AddSingleton<OperationsFeed>();
}
