using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Portal.Access;
using Yarp.ReverseProxy.Forwarder;

namespace Portal.Proxy;

/// <summary>
/// Keeps the portal's cookies from the app and the app's token from the browser, and stops an app from setting cookies for sibling hosts or leaving
/// a service worker. Everything else passes unchanged: headers are examined as raw text, because parsing and writing them again changes them.
/// </summary>
/// <param name="target">Path and query requested from the app, from <see cref="AppTarget"/>.</param>
/// <param name="token">Token of the app; null if it requires none.</param>
/// <param name="links">Where links to other nodes of the workspace lead.</param>
/// <param name="through">The request comes from another node's page, through its own host: no cookies of either host are passed on.</param>
internal sealed class AppTransformer(Site site, string target, string? token, AppLinks links, TimeProvider clock, bool through = false) : HttpTransformer
{
    /// <summary>
    /// Above this size in bytes, an app is asked whether it accepts a body before it is sent: an app that refuses closes the connection, and its
    /// response would be lost if more was still being sent. Smaller bodies are sent at once.
    /// </summary>
    private const long ExpectContinueAbove = 16 << 10;

    /// <summary>Maximum size of a response that tells a script where to go next, bytes.</summary>
    private const int LongestAnswer = 64 << 10;

    /// <summary>Set by proxies in front of us, or by a browser that pretends to be one.</summary>
    private static readonly string[] NotForApps = ["Forwarded", "X-Real-IP", "Via", HeaderNames.Authorization, HeaderNames.ProxyAuthorization,
        HeaderNames.Cookie];

    /// <summary>Headers that would affect more than the app's own host, or more than this response.</summary>
    private static readonly string[] NotForBrowsers =
        [HeaderNames.Authorization, HeaderNames.StrictTransportSecurity, HeaderNames.AltSvc, "Public-Key-Pins", "Server", "Service-Worker-Allowed",
            "Clear-Site-Data"];

    public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix,
        CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        proxyRequest.RequestUri = AppTarget.At(destinationPrefix, target);
        var headers = proxyRequest.Headers;
        // Never enumerated in any other way: that parses them, drops what it does not understand and rewrites the rest.
        foreach (var name in headers.NonValidated.Select(h => h.Key).Where(IsNotForApps).ToList()) headers.Remove(name);
        if (!through && AppCookies.ForApp(httpContext.Request.Headers.Cookie, site) is { } cookies)
            headers.TryAddWithoutValidation(HeaderNames.Cookie, cookies);
        if (token is not null) headers.TryAddWithoutValidation(HeaderNames.Authorization, $"token {token}");
        if (links.Any)
        {
            headers.Remove(HeaderNames.AcceptEncoding);
            headers.TryAddWithoutValidation(HeaderNames.AcceptEncoding, "identity"); // its links are rewritten on the way back
        }
        if (httpContext.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true
            && httpContext.Request.ContentLength is null or > ExpectContinueAbove)
            headers.ExpectContinue = true;
        headers.Host = httpContext.Request.Host.Value; // Jupyter compares Origin with Host
    }

    public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse,
        CancellationToken cancellationToken)
    {
        if (proxyResponse is not null)
        {
            LeaveOutUnwritable(proxyResponse.Headers);
            LeaveOutUnwritable(proxyResponse.Content.Headers);
        }
        if (!await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken)) return false;
        var headers = httpContext.Response.Headers;
        if (headers.SetCookie.Count > 0) headers.SetCookie = headers.SetCookie.Where(c => !through && AppCookies.MaySet(c, site)).ToArray();
        foreach (var name in NotForBrowsers) headers.Remove(name);
        foreach (var name in headers.Where(h => h.Value.Any(Tells)).Select(h => h.Key).ToList()) headers.Remove(name);
        Protect(headers);
        if (links.Any && proxyResponse is not null) await LeadAsync(httpContext, proxyResponse, cancellationToken);
        return true;
    }

    /// <summary>Makes redirects, links in pages, and the one kind of response that tells a script
    /// where to go next, lead to addresses that browsers can reach.</summary>
    private async Task LeadAsync(HttpContext http, HttpResponseMessage answer, CancellationToken cancel)
    {
        var headers = http.Response.Headers;
        var navigates = http.Request.Headers["Sec-Fetch-Mode"].ToString() is "" or "navigate";
        if (links.Lead(headers.Location, navigates) is { } location) headers.Location = location;
        // A response that is compressed although plain was requested stays compressed: the app decides what decompressing costs.
        if (answer.StatusCode is HttpStatusCode.PartialContent || headers.ContentEncoding is not ([] or ["" or "identity"])) return;
        var type = answer.Content.Headers.ContentType?.MediaType;
        if (string.Equals(type, "text/html", StringComparison.OrdinalIgnoreCase))
        {
            if (headers.ContentLength > LinkStream.Longest) return;
            answer.Content = new StreamContent(new LinkStream(await answer.Content.ReadAsStreamAsync(cancel), links, clock));
            headers.ContentLength = null;
        }
        else if (string.Equals(type, "application/json", StringComparison.OrdinalIgnoreCase) && http.Request.Query.ContainsKey("noredirect"))
        {
            // WebHDFS: {"Location":"http://worker0:9864/webhdfs/v1/…"} instead of a redirect, for scripts.
            var body = await answer.Content.ReadAsStreamAsync(cancel);
            var start = new byte[LongestAnswer];
            var length = await body.ReadAtLeastAsync(start, LongestAnswer, throwOnEndOfStream: false, cancel);
            var led = length < LongestAnswer ? Led(start.AsMemory(0, length)) : null;
            answer.Content = led is null ? new StreamContent(new ConcatenatedStream(start.AsMemory(0, length), body)) : new ByteArrayContent(led);
            if (led is not null) headers.ContentLength = led.Length;
        }
    }

    private byte[]? Led(ReadOnlyMemory<byte> answer)
    {
        try
        {
            using var json = System.Text.Json.JsonDocument.Parse(answer);
            if (json.RootElement.ValueKind is not System.Text.Json.JsonValueKind.Object
                || !json.RootElement.TryGetProperty("Location", out var location)
                || location.ValueKind is not System.Text.Json.JsonValueKind.String)
                return null;
            return links.Lead(location.GetString(), navigates: false) is { } led
                ? System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string>(StringComparer.Ordinal) { ["Location"] = led })
                : null;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    public override ValueTask TransformResponseTrailersAsync(HttpContext httpContext, HttpResponseMessage proxyResponse,
        CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Headers of every response under an app's host, the app's own and ours.</summary>
    public static void Protect(IHeaderDictionary headers)
    {
        // Not no-referrer: a browser would then send "Origin: null" with every form of the app, which is refused.
        headers["Referrer-Policy"] = "same-origin";
        headers.XFrameOptions = "SAMEORIGIN";
        headers.XContentTypeOptions = "nosniff";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.Append(HeaderNames.ContentSecurityPolicy, "frame-ancestors 'self'");
    }

    private bool Tells(string? value) => token is not null && value?.Contains(token, StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>A control byte can be read from a header but not written to one; the page is sent without that header.</summary>
    private static void LeaveOutUnwritable(System.Net.Http.Headers.HttpHeaders headers)
    {
        static bool IsControl(char c) => c is (< ' ' and not '\t') or '\u007f';
        foreach (var name in headers.NonValidated.Where(h => h.Value.Any(v => v.Any(IsControl))).Select(h => h.Key).ToList()) headers.Remove(name);
    }

    private static bool IsNotForApps(string header) =>
        NotForApps.Contains(header, StringComparer.OrdinalIgnoreCase)
        || header.StartsWith("X-Forwarded", StringComparison.OrdinalIgnoreCase) || header.StartsWith("X-Portal", StringComparison.OrdinalIgnoreCase);
}
