using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Portal.Access;

namespace Portal.Proxy;

public static class PortalProxy
{
    public static IServiceCollection AddPortalProxy(this IServiceCollection services)
    {
        services.AddHttpForwarder();
        services.AddSingleton<AppAccessCache>().AddHostedService(p => p.GetRequiredService<AppAccessCache>());
        services.AddSingleton<AppAnswers>().AddSingleton<AppProxy>().AddSingleton<JobsClient>().AddSingleton<JobsDashboard>().AddSingleton<NodeLogs>();
        // One character per byte, both ways: headers between an app and its pages may use any encoding.
        services.Configure<KestrelServerOptions>(o =>
        {
            o.RequestHeaderEncodingSelector = _ => Encoding.Latin1;
            o.ResponseHeaderEncodingSelector = _ => Encoding.Latin1;
        });
        return services;
    }

    /// <summary>Runs first: a request for an app's host must never reach a page, an endpoint or a file of the portal.</summary>
    public static void UseAppHosts(this IApplicationBuilder app)
    {
        var site = app.ApplicationServices.GetRequiredService<Site>();
        var proxy = app.ApplicationServices.GetRequiredService<AppProxy>();
        app.MapWhen(http => site.IsBelowApps(http.Request.Host), apps => apps.Run(proxy.HandleAsync));
    }

    /// <summary>Anonymous for routing: people who may not see it get 404, not a sign-in.</summary>
    public static void MapJobsDashboard(this IEndpointRouteBuilder routes)
    {
        var dashboard = routes.ServiceProvider.GetRequiredService<JobsDashboard>();
        routes.Map($"{JobsDashboard.Path}/{{**rest}}", dashboard.HandleAsync).AllowAnonymous().DisableAntiforgery();
    }

    /// <summary>The end of a node's log as a file.</summary>
    public static void MapNodeLogs(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/workspaces/{id:guid}/nodes/{node}/log", (Guid id, string node, HttpContext http, NodeLogs logs) => logs.DownloadAsync(http, id, node))
            .RequireAuthorization();
}
