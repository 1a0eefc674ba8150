using Portal.Access;
using Portal.Api;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Data;
using Portal.Features;
using Portal.Proxy;
using Portal.Shell;

namespace Portal;

/// <summary>The web process: an overview of its parts.</summary>
public static class Program
{
#pragma warning disable RS0030 // the only place that uses the real clock
    public static Task Main(string[] args) => Build(args, TimeProvider.System).RunAsync();
#pragma warning restore RS0030

    /// <summary>Built but not started: tests run it with their own settings and, if time matters, their own clock.</summary>
    public static WebApplication Build(string[] args, TimeProvider clock)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            Args = [.. args, "--hostBuilder:reloadConfigOnChange=false"], // settings are read once: no files are watched
            ApplicationName = typeof(Program).Assembly.GetName().Name,
        });
        builder.Services.AddSingleton(clock);
        builder.Services.AddPortalData(builder.Configuration);
        builder.Services.AddPortalCore();
        builder.Services.AddAppTokens(builder.Configuration);
        builder.Services.AddPortalShell();
        builder.Services.AddPortalFeatures();
        builder.Services.AddPortalAccess(builder.Configuration);
        builder.Services.AddPortalProxy();
        builder.Services.AddPortalApi();
        builder.Services.AddMetricsExport();

        var app = builder.Build();
        app.UseHealth();
        app.UseKnownHosts();
        app.UseUnavailable(); // for the apps' hosts; the portal's own faults are handled further down the pipeline
        app.UseAppHosts();
        app.UsePortalShell();
        app.UsePortalApi();
        app.UseUnavailable();
        app.UsePortalAccess();
        app.UseOwnConnections();
        app.UseMetricsExport();
        app.UseAuthorization();
        app.UseAntiforgery();
        app.MapPortalShell();
        app.MapPortalAccess();
        app.MapJobsDashboard();
        app.MapNodeLogs();
        app.MapPortalApi();
        return app;
    }
}
