using Portal.Access;

namespace Portal.Proxy;

public static class PortalProxy
{
    public static IServiceCollection AddPortalProxy(this IServiceCollection services)
    {
        services.AddHttpForwarder();
        services.AddSingleton<AppDoors>().AddHostedService(p => p.GetRequiredService<AppDoors>());
        services.AddSingleton<AppAnswers>().AddSingleton<AppProxy>().AddSingleton<JobsDashboard>();
        return services;
    }

    /// <summary>Before everything of ours: an app's host must never reach a page, an endpoint or a file of the portal.</summary>
    public static void UseAppHosts(this IApplicationBuilder app)
    {
        var site = app.ApplicationServices.GetRequiredService<Site>();
        var proxy = app.ApplicationServices.GetRequiredService<AppProxy>();
        app.MapWhen(http => site.IsBelowApps(http.Request.Host), apps => apps.Run(proxy.HandleAsync));
    }

    /// <summary>Anonymous as far as routing is concerned: whoever may not see it meets 404, not a sign-in.</summary>
    public static void MapJobsDashboard(this IEndpointRouteBuilder routes)
    {
        var dashboard = routes.ServiceProvider.GetRequiredService<JobsDashboard>();
        routes.Map($"{JobsDashboard.Path}/{{**rest}}", dashboard.HandleAsync).AllowAnonymous().DisableAntiforgery();
    }
}
