using Microsoft.AspNetCore.ResponseCompression;
using MudBlazor.Services;
using Portal.Controls;
using Portal.Theme;

namespace Portal.Shell;

/// <summary>Pages, controls and their frame.</summary>
public static class PortalShell
{
    /// <summary>Languages that the texts are written in.</summary>
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
            // A lost tab comes back within a minute or starts again from the row; until then it costs memory and reads on.
            circuits.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(1);
            circuits.DisconnectedCircuitMaxRetained = 50;
        });
        services.AddMudServices(mud => mud.PopoverOptions.Duration = TimeSpan.FromMilliseconds(150));
        // The fingerprinted addresses of package assets have no compressed variants: MudBlazor's css would travel as 627 KB.
        services.Configure<ResponseCompressionOptions>(compression =>
        {
            compression.EnableForHttps = true;
            compression.MimeTypes = ["text/css", "text/javascript"];
        });
        services.AddResponseCompression();
        return services;
    }

    /// <summary>What every answer of the portal gets. Before authentication; after the proxy of the apps' hosts, whose answers are not ours.</summary>
    public static void UsePortalShell(this WebApplication app)
    {
        app.UseSecurityHeaders();
        // A program that calls the API gets the API's own words, not a page.
        app.UseWhen(IsForPeople, pages =>
        {
            pages.UseExceptionHandler("/error", createScopeForErrors: true);
            pages.UseStatusCodePagesWithReExecute("/not-found", createScopeForStatusCodePages: true);
        });
        app.UseRequestLocalization(Cultures[0]);
        app.UseResponseCompression();
        // Named here, so that an error or a missing page is routed anew when it is shown in its place.
        app.UseRouting();
    }

    /// <summary>What fails further in because the database is away is answered as that, for people and programs.</summary>
    public static void UseUnavailable(this IApplicationBuilder app) => app.Use(app.ApplicationServices.GetRequiredService<Unavailable>().CatchAsync);

    /// <summary>Files, the stylesheet and the pages. Pages ask for a signed-in person; files and css do not.</summary>
    public static void MapPortalShell(this WebApplication app)
    {
        app.MapStaticAssets().AllowAnonymous();
        ThemeStylesheet.Map(app);
        app.MapRazorComponents<App>()
            // SecurityHeaders says it already, and for every answer.
            .AddInteractiveServerRenderMode(mode => mode.ContentSecurityFrameAncestorsPolicy = null)
            .RequireAuthorization();
    }

    private static bool IsForPeople(HttpContext http) =>
        !http.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase)
        && !http.Request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase)
        && !http.Request.Path.StartsWithSegments("/health", StringComparison.OrdinalIgnoreCase);
}
