using Microsoft.Net.Http.Headers;
using Portal.Access;
using Yarp.ReverseProxy.Forwarder;

namespace Portal.Proxy;

/// <summary>The portal's cookies never go in, the app's token never comes out, and an app sets no cookie for its siblings.</summary>
/// <param name="token">Of the app; null where it asks for none.</param>
/// <param name="links">Where links to other nodes of the workspace lead.</param>
/// <param name="through">The page of another node asks, through its own host: nothing of either host's cookies passes.</param>
internal sealed class AppTransformer(Site site, string? token, AppLinks links, bool through = false) : HttpTransformer
{
    /// <summary>Most bytes of an answer that says where a script is to go next.</summary>
    private const int LongestAnswer = 64 << 10;

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
        if (cookies.Count > 0 && !through) headers.TryAddWithoutValidation(HeaderNames.Cookie, string.Join("; ", cookies));
        if (token is not null) headers.TryAddWithoutValidation(HeaderNames.Authorization, $"token {token}");
        if (links.Any)
        {
            headers.Remove(HeaderNames.AcceptEncoding);
            headers.TryAddWithoutValidation(HeaderNames.AcceptEncoding, "identity"); // its links are read on the way back
        }
        headers.Host = httpContext.Request.Host.Value; // Jupyter compares Origin with Host
    }

    public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (!await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken)) return false;
        var headers = httpContext.Response.Headers;
        var set = headers.SetCookie;
        if (set.Count > 0)
            headers.SetCookie = set.Where(c => !through && SetCookieHeaderValue.TryParse(c, out var parsed) && !parsed.Domain.HasValue && !IsOurs(parsed.Name.ToString())).ToArray();
        foreach (var name in NotForBrowsers) headers.Remove(name);
        foreach (var name in headers.Where(h => h.Value.Any(Tells)).Select(h => h.Key).ToList()) headers.Remove(name);
        Protect(headers);
        if (links.Any && proxyResponse is not null) await LeadAsync(httpContext, proxyResponse, cancellationToken);
        return true;
    }

    /// <summary>Redirects, links in pages, and the one kind of answer that tells a script where to go next, lead to where browsers find it.</summary>
    private async Task LeadAsync(HttpContext http, HttpResponseMessage answer, CancellationToken cancel)
    {
        var headers = http.Response.Headers;
        var navigates = http.Request.Headers["Sec-Fetch-Mode"].ToString() is "" or "navigate";
        if (links.Lead(headers.Location, navigates) is { } location) headers.Location = location;
        var type = answer.Content.Headers.ContentType?.MediaType;
        if (answer.StatusCode is System.Net.HttpStatusCode.PartialContent) return;
        if (string.Equals(type, "text/html", StringComparison.OrdinalIgnoreCase))
        {
            if (Decoded(await answer.Content.ReadAsStreamAsync(cancel), answer.Content.Headers.ContentEncoding) is not { } page) return;
            answer.Content = new StreamContent(new LinkStream(page, links));
            headers.ContentLength = null;
            headers.Remove(HeaderNames.ContentEncoding);
        }
        else if (string.Equals(type, "application/json", StringComparison.OrdinalIgnoreCase) && http.Request.Query.ContainsKey("noredirect") && answer.Content.Headers.ContentEncoding.Count == 0)
        {
            // WebHDFS: {"Location":"http://worker0:9864/webhdfs/v1/…"} instead of a redirect, for scripts.
            var body = await answer.Content.ReadAsStreamAsync(cancel);
            var start = new byte[LongestAnswer];
            var length = await body.ReadAtLeastAsync(start, LongestAnswer, throwOnEndOfStream: false, cancel);
            var led = length < LongestAnswer ? Led(start.AsMemory(0, length)) : null;
            answer.Content = led is null ? new StreamContent(new Chain(start.AsMemory(0, length), body)) : new ByteArrayContent(led);
            if (led is not null) headers.ContentLength = led.Length;
        }
    }

    private byte[]? Led(ReadOnlyMemory<byte> answer)
    {
        try
        {
            using var json = System.Text.Json.JsonDocument.Parse(answer);
            if (json.RootElement.ValueKind is not System.Text.Json.JsonValueKind.Object || !json.RootElement.TryGetProperty("Location", out var location) || location.ValueKind is not System.Text.Json.JsonValueKind.String) return null;
            return links.Lead(location.GetString(), navigates: false) is { } led ? System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string>(StringComparer.Ordinal) { ["Location"] = led }) : null;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    /// <summary>Plain, although it was packed all the same; null where nobody knows how.</summary>
    private static Stream? Decoded(Stream body, ICollection<string> encoding) => encoding.ToArray() switch
    {
        [] or ["identity"] => body,
        ["gzip" or "x-gzip"] => new System.IO.Compression.GZipStream(body, System.IO.Compression.CompressionMode.Decompress),
        ["br"] => new System.IO.Compression.BrotliStream(body, System.IO.Compression.CompressionMode.Decompress),
        ["deflate"] => new System.IO.Compression.ZLibStream(body, System.IO.Compression.CompressionMode.Decompress),
        _ => null,
    };

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

    private bool Tells(string? value) => token is not null && value?.Contains(token, StringComparison.OrdinalIgnoreCase) == true;

    private bool IsOurs(string cookie) =>
        cookie.StartsWith("__Host-", StringComparison.OrdinalIgnoreCase) || cookie.StartsWith("__Secure-", StringComparison.OrdinalIgnoreCase)
        || cookie.StartsWith(".AspNetCore.", StringComparison.OrdinalIgnoreCase) || cookie.Equals(site.SessionCookie, StringComparison.OrdinalIgnoreCase);

    private static bool IsNotForApps(string header) =>
        NotForApps.Contains(header, StringComparer.OrdinalIgnoreCase)
        || header.StartsWith("X-Forwarded", StringComparison.OrdinalIgnoreCase) || header.StartsWith("X-Portal", StringComparison.OrdinalIgnoreCase);
}
