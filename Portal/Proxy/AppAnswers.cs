using System.Text.Encodings.Web;
using Microsoft.Extensions.Localization;
using Portal.Access;
using Portal.Shell;
using Portal.Theme;

namespace Portal.Proxy;

/// <summary>What the proxy itself says under an app's host: plain, without script, and the same whether there is such a workspace or not.</summary>
internal sealed class AppAnswers(Site site, IStringLocalizer<AccessTexts> texts, IStringLocalizer<ShellTexts> shell)
{
    public Task NotFoundAsync(HttpContext http, AppHost? host) => SayAsync(http, StatusCodes.Status404NotFound, "App.Gone", host);

    public Task RefusedAsync(HttpContext http) => SayAsync(http, StatusCodes.Status403Forbidden, "App.Refused", null);

    public Task AwayAsync(HttpContext http, AppHost host, int status) => SayAsync(http, status, "App.Away", host);

    /// <summary>To the portal's page that opens this app, and comes back to this path.</summary>
    public void LeadToPortal(HttpContext http, AppHost host)
    {
        AppTransformer.Protect(http.Response.Headers);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = site.Origin + OpenAppPage.Address(host, http.Request.Path.ToUriComponent() + http.Request.QueryString.ToUriComponent());
    }

    private async Task SayAsync(HttpContext http, int status, string text, AppHost? host)
    {
        http.Response.Clear();
        http.Response.StatusCode = status;
        AppTransformer.Protect(http.Response.Headers);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentType = "text/html; charset=utf-8";
        http.Response.Headers.ContentSecurityPolicy = $"default-src 'none'; style-src-elem {PlainStyle.Source}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        static string E(string s) => HtmlEncoder.Default.Encode(s);
        var way = new Uri(site.PublicUrl, host is { } h ? $"/workspaces/{h.Slug}" : "/").AbsoluteUri;
        await http.Response.WriteAsync($"""
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>{E(texts[$"{text}.Title"])} – {E(shell["Brand"])}</title><style>{PlainStyle.Css}</style></head>
            <body><header><svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path fill="currentColor" d="{BrandMark.Path}"/></svg>{E(shell["Brand"])}</header><main><h1>{E(texts[$"{text}.Title"])}</h1><p>{E(texts[$"{text}.Says"])}</p><p><a href="{E(way)}">{E(texts["App.Gone.Link"])}</a></p></main></body></html>
            """, http.RequestAborted);
    }
}
