using Microsoft.AspNetCore.ResponseCompression;
using MudBlazor.Services;
using Portal.Controls;
using Portal.Theme;

namespace Portal.Shell;

/// <summary>Pages, controls and the frame around them.</summary>
public static class PortalShell
{
    /// <summary>Languages of the texts.</summary>
    private static readonly string[] Cultures = ["en-GB"];

    public static IServiceCollection AddPortalShell(this IServiceCollection services)
    {
        services.AddLocalization();
        services.AddHttpContextAccessor();
        services.AddCascadingAuthenticationState();
        services.AddSingleton<ThemeStylesheet>().AddSingleton<Unavailable>();
        services.AddScoped<Heartbeat>().AddScoped<Messages>().AddScoped<Announcements>();
        services.AddScoped<ClassChoice>();
        services.AddRazorComponents().AddInteractiveServerComponents(circuits =>
        {
            // A disconnected tab reconnects within a minute or starts again from the rows; until then it uses memory and keeps reading.
            circuits.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(1);
            circuits.DisconnectedCircuitMaxRetained = 50;
        });
        services.AddMudServices(mud => mud.PopoverOptions.Duration = TimeSpan.FromMilliseconds(150));
        // The fingerprinted addresses of package assets have no compressed variants: MudBlazor's css would take 627 KB.
        services.Configure<ResponseCompressionOptions>(compression =>
        {
            compression.EnableForHttps = true;
            compression.MimeTypes = ["text/css", "text/javascript"];
        });
        services.AddResponseCompression();
        return services;
    }

    /// <summary>Applied to every response of the portal. Before authentication, and after the apps' proxy, whose responses are not ours.</summary>
    public static void UsePortalShell(this WebApplication app)
    {
        app.UseSecurityHeaders();
        // A program that calls the API gets the API's response, not a page.
        app.UseWhen(IsForPeople, pages =>
        {
            pages.UseExceptionHandler("/error", createScopeForErrors: true);
            pages.UseStatusCodePagesWithReExecute("/not-found", createScopeForStatusCodePages: true);
        });
        app.UseRequestLocalization(Cultures[0]);
        app.UseResponseCompression();
        // Called explicitly, so that routing runs again for an error or not-found page.
        app.UseRouting();
    }

    /// <summary>Gives people and programs a proper response to requests that fail because the database is unavailable or memory ran out.</summary>
    public static void UseUnavailable(this IApplicationBuilder app) => app.Use(app.ApplicationServices.GetRequiredService<Unavailable>().CatchAsync);

    /// <summary>Files, the stylesheet and the pages. Pages require a signed-in person; files and css do not.</summary>
    public static void MapPortalShell(this WebApplication app)
    {
        app.MapStaticAssets().AllowAnonymous();
        ThemeStylesheet.Map(app);
        app.MapRazorComponents<App>()
            // SecurityHeaders sets it already, for every response.
            .AddInteractiveServerRenderMode(mode => mode.ContentSecurityFrameAncestorsPolicy = null)
            .RequireAuthorization();
    }

    private static bool IsForPeople(HttpContext http) =>
        !http.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase)
        && !http.Request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase)
        && !http.Request.Path.StartsWithSegments("/health", StringComparison.OrdinalIgnoreCase);
}
