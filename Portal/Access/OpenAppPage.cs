using System.Text.Encodings.Web;
using Microsoft.Extensions.Localization;
using Portal.Core.Access;
using Portal.Theme;

namespace Portal.Access;

/// <summary>
/// The tiny page that makes the browser post its ticket to the app's host. Only a POST from the portal's origin is taken there:
/// an address that somebody sends carries no ticket, and a page of somebody else has another origin.
/// </summary>
public sealed class OpenAppPage(Site site, ThemeStylesheet sheet, IStringLocalizer<AccessTexts> texts)
{
    public const string Script = "/open-app.js";
    public const string ScriptText = "document.forms[0].submit();\n";

    /// <summary>Where a ticket is posted to, on every app's host.</summary>
    public const string EnterPath = "/.portal/enter";

    public IResult Result(HttpContext http, OpenAppOutcome.Opened opened)
    {
        var app = site.AppOrigin(new(opened.App, opened.Slug));
        var headers = http.Response.Headers;
        // The one page of the portal whose form may leave it, and only to this app.
        headers.ContentSecurityPolicy = $"default-src 'none'; script-src 'self'; style-src-elem 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; form-action {app}; frame-ancestors 'none'";
        // The origin must be told, or browsers send "null"; the path never is.
        headers["Referrer-Policy"] = "origin";
        headers.CacheControl = "no-store";
        static string E(string s) => HtmlEncoder.Default.Encode(s);
        return Results.Text($"""
            <!DOCTYPE html>
            <html lang="en" data-theme="system">
            <head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{E(texts["Open.Title", opened.Title])}</title><link rel="stylesheet" href="/{sheet.Href}"></head>
            <body><div class="plain"><main><h1>{E(texts["Open.Title", opened.Title])}</h1>
            <form method="post" action="{E(app)}{EnterPath}"><input type="hidden" name="ticket" value="{E(opened.Ticket)}"><p>{E(texts["Open.Says"])}</p><p class="people"><button type="submit">{E(texts["Open.Button", opened.Title])}</button></p></form>
            </main></div><script src="{Script}"></script></body>
            </html>
            """, "text/html; charset=utf-8");
    }
}
