namespace Portal.Shell;

/// <summary>What a browser may do with our pages, said with every answer.</summary>
public static class SecurityHeaders
{
    /// <summary>
    /// No inline script or style element anywhere. Style attributes are allowed, because MudBlazor places and sizes its
    /// parts with them and Blazor writes them with setAttribute. Forms may also lead to the apps' own hosts: opening an
    /// app is a POST that ends there, and browsers check the redirect as well.
    /// </summary>
    /// <param name="apps">Source expression of the apps' hosts, such as <c>http://*.apps.localhost:8080</c>; null for none.</param>
    public static string Csp(string? apps) =>
        "default-src 'self'; script-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
        + $"font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'{(apps is null ? "" : " " + apps)}; frame-ancestors 'none'";

    /// <summary>The apps' hosts as a source expression, from <c>Site:PublicUrl</c> (scheme and port) and <c>Site:AppsDomain</c>.</summary>
    public static string? AppsSource(string? publicUrl, string? appsDomain)
    {
        if (string.IsNullOrEmpty(appsDomain) || !Uri.TryCreate(publicUrl, UriKind.Absolute, out var site)) return null;
        return $"{site.Scheme}://*.{appsDomain}{(site.IsDefaultPort ? "" : $":{site.Port}")}";
    }

    public static void UseSecurityHeaders(this IApplicationBuilder app)
    {
        var site = app.ApplicationServices.GetRequiredService<IConfiguration>().GetSection("Site");
        var csp = Csp(AppsSource(site["PublicUrl"], site["AppsDomain"]));
        app.Use((http, next) =>
        {
            http.Response.Headers.ContentSecurityPolicy = csp;
            http.Response.Headers.XContentTypeOptions = "nosniff";
            http.Response.Headers["Referrer-Policy"] = "same-origin";
            http.Response.Headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()";
            return next();
        });
    }
}
