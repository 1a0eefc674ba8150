using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.Extensions.Localization;
using Portal.Core.Access;
using Portal.Theme;

namespace Portal.Access;

/// <summary>
/// The tiny page that makes the browser post its ticket to the app's host. Only a POST from the portal's origin is taken there:
/// an address that somebody sends carries no ticket, and a page of somebody else has another origin.
/// </summary>
public sealed class OpenAppPage(Site site, ThemeStylesheet sheet, IAntiforgery antiforgery, IStringLocalizer<AccessTexts> texts)
{
    private const int LongestPath = 2000;

    public const string Script = "/open-app.js";
    public const string ScriptText = "document.forms[0].submit();\n";

    /// <summary>Where a ticket is posted to, on every app's host.</summary>
    public const string EnterPath = "/.portal/enter";

    /// <summary>The portal's page that offers to open an app at a path, as a link that anybody may follow.</summary>
    public static string Address(AppHost app, string path) => $"/workspaces/{app.Slug}/open/{app.App}{(PathInApp(path) is { } known ? $"?path={Uri.EscapeDataString(known)}" : "")}";

    /// <summary>A path of the app's own host and none of the proxy's; null for anything else.</summary>
    public static string? PathInApp(string? path) =>
        path is { Length: > 1 and <= LongestPath } && LocalUrl.OrHome(path) == path && !path.StartsWith("/.portal", StringComparison.OrdinalIgnoreCase) ? path : null;

    /// <summary>
    /// Offers to open an app for whoever came by a link: nothing happens before the person clicks, since links come from anywhere and the pages
    /// of engines have addresses that do things.
    /// </summary>
    public IResult Offer(HttpContext http, AppFound app, string? path)
    {
        var token = antiforgery.GetAndStoreTokens(http);
        return Page(http, texts["Offer.Title", app.Title], $"""
            <form method="post" action="/workspaces/{app.Workspace}/apps/{E(app.App)}/open">{Hidden(token.FormFieldName, token.RequestToken!)}{Hidden("path", PathInApp(path) ?? "")}
            <p>{E(texts["Offer.Says", app.Title, app.WorkspaceName])}</p>{(PathInApp(path) is { } known ? $"<p><code>{E(known)}</code></p>" : "")}
            <p class="people"><button type="submit">{E(texts["Open.Button", app.Title])}</button></p></form>
            """, formAction: "'self'");
    }

    /// <summary>404, the same for an app that is not there and for one that is somebody else's.</summary>
    public IResult Nothing(HttpContext http) =>
        Page(http, texts["Nothing.Title"], $"""<p>{E(texts["Nothing.Says"])}</p><p><a href="/">{E(texts["Nothing.Link"])}</a></p>""", formAction: "'none'", StatusCodes.Status404NotFound);

    /// <param name="path">Where in the app to begin; null for where it begins by itself.</param>
    public IResult Result(HttpContext http, OpenAppOutcome.Opened opened, string? path = null)
    {
        var app = site.AppOrigin(new(opened.App, opened.Slug));
        // The origin must be told, or browsers send "null"; the path never is.
        http.Response.Headers["Referrer-Policy"] = "origin";
        // The one page of the portal whose form may leave it, and only to this app.
        return Page(http, texts["Open.Title", opened.Title], $"""
            <form method="post" action="{E(app)}{EnterPath}">{Hidden("ticket", opened.Ticket)}{(PathInApp(path) is { } known ? Hidden("path", known) : "")}
            <p>{E(texts["Open.Says"])}</p><p class="people"><button type="submit">{E(texts["Open.Button", opened.Title])}</button></p></form>
            <script src="{Script}"></script>
            """, formAction: app, script: "'self'");
    }

    /// <param name="content">HTML below the heading; every value in it is encoded already.</param>
    /// <param name="formAction">Where forms of the page may be posted to, and <paramref name="script"/> where scripts may come from: sources of a content security policy.</param>
    private IResult Page(HttpContext http, string title, string content, string formAction, int status = StatusCodes.Status200OK, string script = "'none'")
    {
        http.Response.Headers.ContentSecurityPolicy =
            $"default-src 'none'; script-src {script}; style-src-elem 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; form-action {formAction}; frame-ancestors 'none'";
        http.Response.Headers.CacheControl = "no-store";
        return Results.Text($"""
            <!DOCTYPE html>
            <html lang="en" data-theme="system">
            <head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{E(title)}</title><link rel="stylesheet" href="/{sheet.Href}"></head>
            <body><div class="plain"><main><h1>{E(title)}</h1>
            {content}
            </main></div></body>
            </html>
            """, "text/html; charset=utf-8", statusCode: status);
    }

    private static string Hidden(string name, string value) => $"<input type=\"hidden\" name=\"{E(name)}\" value=\"{E(value)}\">";

    private static string E(string s) => HtmlEncoder.Default.Encode(s);
}
