using Microsoft.Net.Http.Headers;
using Portal.Access;
using Yarp.ReverseProxy.Forwarder;

namespace Portal.Proxy;

/// <summary>The portal's cookies never go in, the app's token never comes out, and an app sets no cookie for its siblings.</summary>
internal sealed class AppTransformer(Site site, string token) : HttpTransformer
{
    /// <summary>Said by whoever stands before us, or by a browser that wants to look like us.</summary>
    private static readonly string[] NotForApps = ["Forwarded", "X-Real-IP", "Via", HeaderNames.Authorization, HeaderNames.ProxyAuthorization, HeaderNames.Cookie];

    /// <summary>Would reach beyond the app's own host, or beyond our answer.</summary>
    private static readonly string[] NotForBrowsers = [HeaderNames.Authorization, HeaderNames.StrictTransportSecurity, HeaderNames.AltSvc, "Public-Key-Pins", "Server"];

    public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        var headers = proxyRequest.Headers;
        var cookies = httpContext.Request.Cookies.Where(c => !IsOurs(c.Key)).Select(c => $"{c.Key}={c.Value}").ToList();
        foreach (var name in headers.Select(h => h.Key).Where(IsNotForApps).ToList()) headers.Remove(name);
        if (cookies.Count > 0) headers.TryAddWithoutValidation(HeaderNames.Cookie, string.Join("; ", cookies));
        headers.TryAddWithoutValidation(HeaderNames.Authorization, $"token {token}");
        headers.Host = httpContext.Request.Host.Value; // Jupyter compares Origin with Host
    }

    public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (!await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken)) return false;
        var headers = httpContext.Response.Headers;
        var set = headers.SetCookie;
        if (set.Count > 0)
            headers.SetCookie = set.Where(c => SetCookieHeaderValue.TryParse(c, out var parsed) && !parsed.Domain.HasValue && !IsOurs(parsed.Name.ToString())).ToArray();
        foreach (var name in NotForBrowsers) headers.Remove(name);
        foreach (var name in headers.Where(h => h.Value.Any(Tells)).Select(h => h.Key).ToList()) headers.Remove(name);
        Protect(headers);
        return true;
    }

    public override ValueTask TransformResponseTrailersAsync(HttpContext httpContext, HttpResponseMessage proxyResponse, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>What every answer under an app's host says, the app's own and ours.</summary>
    public static void Protect(IHeaderDictionary headers)
    {
        headers["Referrer-Policy"] = "no-referrer";
        headers.XFrameOptions = "SAMEORIGIN";
        headers.XContentTypeOptions = "nosniff";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.Append(HeaderNames.ContentSecurityPolicy, "frame-ancestors 'self'");
    }

    private bool Tells(string? value) => value?.Contains(token, StringComparison.OrdinalIgnoreCase) == true;

    private bool IsOurs(string cookie) =>
        cookie.StartsWith("__Host-", StringComparison.OrdinalIgnoreCase) || cookie.StartsWith("__Secure-", StringComparison.OrdinalIgnoreCase)
        || cookie.StartsWith(".AspNetCore.", StringComparison.OrdinalIgnoreCase) || cookie.Equals(site.SessionCookie, StringComparison.OrdinalIgnoreCase);

    private static bool IsNotForApps(string header) =>
        NotForApps.Contains(header, StringComparer.OrdinalIgnoreCase)
        || header.StartsWith("X-Forwarded", StringComparison.OrdinalIgnoreCase) || header.StartsWith("X-Portal", StringComparison.OrdinalIgnoreCase);
}
