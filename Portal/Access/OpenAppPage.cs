using System.Diagnostics;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.Extensions.Localization;
using Portal.Core.Access;
using Portal.Core.Workspaces;
using Portal.Shell;
using Portal.Theme;

namespace Portal.Access;

/// <summary>
/// The small page that makes the browser post its ticket to the app's host. Only a POST from the portal's origin is accepted there:
/// a link from someone else carries no ticket, and another site's page has another origin.
/// </summary>
public sealed class OpenAppPage(
    Site site, ThemeStylesheet sheet, IAntiforgery antiforgery, IStringLocalizer<AccessTexts> texts, IStringLocalizer<ShellTexts> shell)
{
    private const int LongestPath = 2000;

    public const string Script = "/open-app.js";
    public const string ScriptText = "document.forms[0].submit();\n";

    /// <summary>Script of the waiting page: reloads it when its text changes.</summary>
    public const string WaitScript = "/await-app.js";
    public const string WaitScriptText = """
        const look = async () => {
          try {
            const answer = await fetch(location.href, { cache: "no-store" });
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            if (page.body.dataset.state !== document.body.dataset.state) { location.reload(); return; }
          } catch { /* The portal may be starting again. */ }
          setTimeout(look, 2000);
        };
        setTimeout(look, 2000);

        """;

    /// <summary>Path to which a ticket is posted, on every app's host.</summary>
    public const string EnterPath = "/.portal/enter";

    /// <summary>The portal's page that offers to open an app at a path, as a link that is safe to follow.</summary>
    public static string Address(AppHost app, string path) =>
        $"/workspaces/{app.Slug}/open/{app.App}{(PathInApp(path) is { } known ? $"?path={Uri.EscapeDataString(known)}" : "")}";

    /// <summary>A path of the app's own host that is not one of the proxy's; null for anything else.</summary>
    public static string? PathInApp(string? path) =>
        path is { Length: > 1 and <= LongestPath } && LocalUrl.OrHome(path) == path && !path.StartsWith("/.portal", StringComparison.OrdinalIgnoreCase)
            ? path
            : null;

    /// <summary>An address made by <see cref="Address"/>.</summary>
    public static bool IsOffer(string? url) =>
        url is not null && url.StartsWith("/workspaces/", StringComparison.Ordinal) && url.Contains("/open/", StringComparison.Ordinal);

    /// <summary>
    /// Offers to open an app to a person who followed a link, or explains its state and what can be done. Nothing happens before the person
    /// clicks, because links come from anywhere and pages of compute engines have addresses with side effects. While something is in progress
    /// the page continues automatically.
    /// </summary>
    /// <param name="refused">Why it could not be started just now; null if no start was tried.</param>
    public IResult Offer(HttpContext http, AppFound app, string? path, ChangeRefusal? refused = null)
    {
        var state = app.Status switch
        {
            WorkspaceStatus.Ready or WorkspaceStatus.Resizing => "Ready",
            WorkspaceStatus.Queued or WorkspaceStatus.Starting => "Starting",
            WorkspaceStatus.Attention => "Restarting",
            WorkspaceStatus.Stopping => "Stopping",
            WorkspaceStatus.Stopped => "Stopped",
            WorkspaceStatus.Failed => "Failed",
            WorkspaceStatus.Deleting or WorkspaceStatus.Deleted => "Deleted",
            _ => throw new UnreachableException($"{app.Status}"),
        };
        if (state == "Deleted") return Nothing(http);
        var kept = PathInApp(path);
        var where = kept is null ? "" : $"<p><code>{E(kept)}</code></p>";
        if (state == "Ready")
            return Page(http, texts["Offer.Title", app.Title], $"""
                <p>{E(texts["Offer.Text", app.Title, app.WorkspaceName])}</p>{where}
                {Button(http, $"/workspaces/{app.Workspace}/apps/{app.App}/open", kept, texts["Open.Button", app.Title])}
                """, formAction: "'self'", state: state);
        var waits = state is not ("Stopped" or "Failed");
        var message = refused switch
        {
            null => texts[$"Gone.{state}.Text", app.WorkspaceName, app.Title],
            ChangeRefusal.OverQuota => texts["Gone.Refused.OverQuota"],
            _ => texts["Gone.Refused.Other"],
        };
        return Page(http, texts[$"Gone.{state}.Title"], $"""
            <p>{E(message)}</p>{where}
            {(state is "Starting" or "Stopping" ? "" : Button(http, Address(new(app.App, app.Slug), kept ?? ""), kept, texts[$"Gone.{state}.Button"]))}
            <p><a href="/workspaces/{E(app.Slug)}">{E(texts["Gone.Link"])}</a></p>{(waits ? $"<script src=\"{WaitScript}\"></script>" : "")}
            """, formAction: "'self'", script: waits ? "'self'" : "'none'", state: state);
    }

    private string Button(HttpContext http, string action, string? path, string text)
    {
        var token = antiforgery.GetAndStoreTokens(http);
        return $"""
            <form method="post" action="{E(action)}">{Hidden(token.FormFieldName, token.RequestToken!)}{Hidden("path", path ?? "")}
            <p class="main-action"><button type="submit">{E(text)}</button></p></form>
            """;
    }

    /// <summary>404, the same for an app that does not exist and for one that belongs to someone else.</summary>
    public IResult Nothing(HttpContext http) =>
        Page(http, texts["Nothing.Title"], $"""<p>{E(texts["Nothing.Text"])}</p><p><a href="/">{E(texts["Nothing.Link"])}</a></p>""",
            formAction: "'none'", StatusCodes.Status404NotFound);

    /// <param name="path">Where in the app to begin; null for its start page.</param>
    public IResult Result(HttpContext http, OpenAppOutcome.Opened opened, string? path = null)
    {
        var app = site.AppOrigin(new(opened.App, opened.Slug));
        // The origin must be sent, or browsers send "null"; the path is never sent.
        http.Response.Headers["Referrer-Policy"] = "origin";
        // The only page of the portal whose form may be posted to another host, and only to this app.
        return Page(http, texts["Open.Title", opened.Title], $"""
            <form method="post" action="{E(app)}{EnterPath}">{Hidden("ticket", opened.Ticket)}{(PathInApp(path) is { } known ? Hidden("path", known) : "")}
            <p>{E(texts["Open.Text"])}</p><p class="main-action"><button type="submit">{E(texts["Open.Button", opened.Title])}</button></p></form>
            <script src="{Script}"></script>
            """, formAction: app, script: "'self'");
    }

    /// <param name="content">HTML below the heading; every value in it is already encoded.</param>
    /// <param name="formAction">Where forms of the page may be posted: sources for the content security policy.</param>
    /// <param name="script">Where scripts may come from and what they may fetch; such sources too.</param>
    /// <param name="state">What the page shows, for <see cref="WaitScript"/>.</param>
    private IResult Page(
        HttpContext http, string title, string content, string formAction, int status = StatusCodes.Status200OK, string script = "'none'", string state = "")
    {
        http.Response.Headers.ContentSecurityPolicy =
            $"default-src 'none'; script-src {script}; connect-src {script}; "
            + $"style-src-elem 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; form-action {formAction}; frame-ancestors 'none'";
        http.Response.Headers.CacheControl = "no-store";
        return Results.Text($"""
            <!DOCTYPE html>
            <html lang="en" data-theme="system">
            <head>
              <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
              <title>{E(title)}</title><link rel="stylesheet" href="/{sheet.Href}">
            </head>
            <body data-state="{E(state)}"><div class="plain">
            <header class="topbar"><a class="brand" href="/"><svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path fill="currentColor"
            d="{BrandMark.Path}"/></svg><span>{E(shell["Brand"])}</span></a></header>
            <main><h1>{E(title)}</h1>
            {content}
            </main></div></body>
            </html>
            """, "text/html; charset=utf-8", statusCode: status);
    }

    private static string Hidden(string name, string value) => $"<input type=\"hidden\" name=\"{E(name)}\" value=\"{E(value)}\">";

    private static string E(string s) => HtmlEncoder.Default.Encode(s);
}
