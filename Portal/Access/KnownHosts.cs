namespace Portal.Access;

/// <summary>The exact allow-list of hosts: requests for anything but the portal or a host under the apps' domain are refused.</summary>
public static class KnownHosts
{
    public static void UseKnownHosts(this IApplicationBuilder app)
    {
        var site = app.ApplicationServices.GetRequiredService<Site>();
        app.Use(async (http, next) =>
        {
            if (site.IsPortal(http.Request.Host) || site.IsBelowApps(http.Request.Host))
            {
                await next(http);
                return;
            }
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            await http.Response.WriteAsync("Nothing is served under this host name.", http.RequestAborted);
        });
    }

    /// <summary>Protects circuits and forms from other origins: browsers send an Origin, and it must be the portal itself.</summary>
    public static void UseOwnOrigin(this IApplicationBuilder app)
    {
        var site = app.ApplicationServices.GetRequiredService<Site>();
        app.Use(async (http, next) =>
        {
            var origin = http.Request.Headers.Origin;
            var safe = HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method);
            var circuit = http.Request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase);
            var own = origin.Count == 1 && origin[0] == site.Origin;
            // Clients other than browsers send no Origin; a browser's WebSocket always does.
            var allowed = origin.Count == 0 ? !circuit || !http.IsUpgrade() : own || (safe && !circuit);
            if (allowed && (safe || http.Request.Headers["Sec-Fetch-Site"] is not ["cross-site" or "same-site"]))
            {
                await next(http);
                return;
            }
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            await http.Response.WriteAsync("This request came from a page on another site.", http.RequestAborted);
        });
    }

    /// <summary>A WebSocket or another protocol upgrade.</summary>
    internal static bool IsUpgrade(this HttpContext http) => http.Request.Headers.Upgrade.Count > 0 || HttpMethods.IsConnect(http.Request.Method);
}
