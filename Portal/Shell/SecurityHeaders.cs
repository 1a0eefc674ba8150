namespace Portal.Shell;

/// <summary>What a browser may do with our pages, sent with every response.</summary>
public static class SecurityHeaders
{
    /// <summary>
    /// No inline script or style element anywhere. Style attributes are allowed, because MudBlazor positions and sizes its
    /// parts with them and Blazor writes them with setAttribute.
    /// </summary>
    public const string Csp =
        "default-src 'self'; script-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
        + "font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    /// <summary>An endpoint may set stricter ones itself.</summary>
    public static void UseSecurityHeaders(this IApplicationBuilder app)
    {
        app.Use((http, next) =>
        {
            http.Response.Headers.ContentSecurityPolicy = Csp;
            http.Response.Headers.XContentTypeOptions = "nosniff";
            http.Response.Headers["Referrer-Policy"] = "same-origin";
            http.Response.Headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()";
            return next();
        });
    }
}
