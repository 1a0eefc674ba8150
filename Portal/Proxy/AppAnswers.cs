using System.Text.Encodings.Web;
using Microsoft.Extensions.Localization;
using Portal.Access;
using Portal.Shell;
using Portal.Theme;

namespace Portal.Proxy;

/// <summary>The proxy's own responses under an app's host: plain, without script, and the same whether or not such a workspace exists.</summary>
internal sealed class AppAnswers(Site site, IStringLocalizer<AccessTexts> texts, IStringLocalizer<ShellTexts> shell)
{
    private const string NoWorker = """
        self.addEventListener("install", () => self.skipWaiting());
        self.addEventListener("activate", event => event.waitUntil(self.registration.unregister()));

        """;

    public Task NotFoundAsync(HttpContext http, AppHost? host) => SayAsync(http, StatusCodes.Status404NotFound, "App.Gone", host);

    public Task RefusedAsync(HttpContext http) => SayAsync(http, StatusCodes.Status403Forbidden, "App.Refused", null);

    /// <summary>A target that is not forwarded: see <see cref="AppTarget"/>.</summary>
    public Task UnreadableAsync(HttpContext http) => SayAsync(http, StatusCodes.Status400BadRequest, "App.Unreadable", null);

    public Task TooLargeAsync(HttpContext http, AppHost host) => SayAsync(http, StatusCodes.Status413PayloadTooLarge, "App.TooLarge", host);

    /// <summary>The app is open but does not respond: 503 for scripts, which understand that; the given status for people.</summary>
    public Task UnavailableAsync(HttpContext http, AppHost host, string target, int status) =>
        IsPage(http) ? SayAsync(http, status, "App.Unavailable", host, target) : TellScriptAsync(http, "unavailable", "App.Unavailable.Script");

    /// <summary>
    /// Nothing is open here for this browser. Scripts always get the same 503, no matter who asks and whether the app has ended or never existed: a 404
    /// would mean that their file or kernel is missing.
    /// </summary>
    public Task ClosedAsync(HttpContext http, AppHost host, string target)
    {
        if (!IsPage(http)) return TellScriptAsync(http, "closed", "App.Gone.Script");
        if (!IsTab(http)) return SayAsync(http, StatusCodes.Status503ServiceUnavailable, "App.Gone", host, target);
        LeadToPortal(http, host, target);
        return Task.CompletedTask;
    }

    /// <summary>
    /// A service worker would outlive the session of its page and read what is posted to this host later, beginning with a ticket. So a browser that
    /// requests one, to register it or to see whether it has changed, gets one that unregisters itself.
    /// </summary>
    public static Task NoWorkerAsync(HttpContext http)
    {
        AppTransformer.Protect(http.Response.Headers);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentType = "text/javascript; charset=utf-8";
        return http.Response.WriteAsync(NoWorker, http.RequestAborted);
    }

    public static bool RequestsServiceWorker(HttpRequest request) =>
        request.Headers.ContainsKey("Service-Worker") || request.Headers["Sec-Fetch-Dest"] == "serviceworker";

    /// <summary>Redirects to the portal's page that opens this app, which then returns to this path.</summary>
    public void LeadToPortal(HttpContext http, AppHost host, string target)
    {
        AppTransformer.Protect(http.Response.Headers);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = site.Origin + OpenAppPage.Address(host, AppTarget.AsLink(target));
    }

    /// <summary>Shown to a person, in a tab or a frame.</summary>
    private static bool IsPage(HttpContext http) =>
        HttpMethods.IsGet(http.Request.Method) && !http.IsUpgrade() && http.Request.Headers["Sec-Fetch-Mode"] == "navigate";

    /// <summary>Shown in a tab, so the person may be redirected to the portal.</summary>
    public static bool IsTab(HttpContext http) => IsPage(http) && http.Request.Headers["Sec-Fetch-Dest"] == "document";

    private Task TellScriptAsync(HttpContext http, string reason, string text)
    {
        http.Response.Clear();
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        AppTransformer.Protect(http.Response.Headers);
        http.Response.Headers.CacheControl = "no-store";
        return http.Response.WriteAsJsonAsync(new { message = texts[text].Value, reason }, http.RequestAborted);
    }

    private async Task SayAsync(HttpContext http, int status, string text, AppHost? host, string? target = null)
    {
        http.Response.Clear();
        http.Response.StatusCode = status;
        AppTransformer.Protect(http.Response.Headers);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentType = "text/html; charset=utf-8";
        http.Response.Headers.ContentSecurityPolicy =
            $"default-src 'none'; style-src-elem {PlainStyle.Source}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        static string E(string s) => HtmlEncoder.Default.Encode(s);
        var way = site.Origin + (host is { } h ? OpenAppPage.Address(h, AppTarget.AsLink(target ?? "/")) : "/");
        var (title, brand) = (E(texts[$"{text}.Title"]), E(shell["Brand"]));
        await http.Response.WriteAsync($"""
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark"><title>{title} – {brand}</title><style>{PlainStyle.Css}</style></head>
            <body><header><svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path fill="currentColor" d="{BrandMark.Path}"/></svg>
            {brand}</header>
            <main><h1>{title}</h1><p>{E(texts[$"{text}.Text"])}</p><p><a href="{E(way)}" target="_top">{E(texts["App.Gone.Link"])}</a></p></main></body></html>
            """, http.RequestAborted);
    }
}
