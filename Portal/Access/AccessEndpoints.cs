using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Portal.Core.Access;
using Portal.Core.Workspaces;

namespace Portal.Access;

public static class AccessEndpoints
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    /// <summary>Runs before authorization: the demo sign-in, authentication, and closing circuits whose session has ended.</summary>
    public static void UsePortalAccess(this IApplicationBuilder app)
    {
        app.UseOwnOrigin();
        app.Use((http, next) =>
        {
            // The not-found page is for people; re-executing a form post for it would fail with a different refusal.
            if (!HttpMethods.IsGet(http.Request.Method)
                && !http.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase)
                && http.Features.Get<IStatusCodePagesFeature>() is { } pages)
                pages.Enabled = false;
            return next(http);
        });
        var demo = app.ApplicationServices.GetRequiredService<DemoSignIn>();
        app.Use(async (http, next) =>
        {
            if (!http.Request.Path.StartsWithSegments("/sign-in", StringComparison.OrdinalIgnoreCase) || demo.IsOpen(http))
            {
                await next(http);
                return;
            }
            // With a body, because the not-found page would ask for a sign-in again.
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            await http.Response.WriteAsync("This sign-in method is not available here.", http.RequestAborted);
        });
        app.UseAuthentication();
        app.Use(CutCircuitAsync);
    }

    public static void MapPortalAccess(this IEndpointRouteBuilder routes)
    {
        // Form parameters put these endpoints under antiforgery, so no other site's page can sign a person in or out.
        routes.MapPost("/sign-in/demo", SignInAsync).AllowAnonymous();
        routes.MapPost("/sign-out", SignOutAsync).AllowAnonymous();
        routes.MapPost("/workspaces/{id:guid}/apps/{app}/open", OpenAsync).RequireAuthorization();
        routes.MapGet("/workspaces/{slug}/open/{app}", OfferAsync).RequireAuthorization();
        routes.MapPost("/workspaces/{slug}/open/{app}", StartAsync).RequireAuthorization();
        routes.MapGet(OpenAppPage.Script, () => Results.Text(OpenAppPage.ScriptText, "text/javascript")).AllowAnonymous();
        routes.MapGet(OpenAppPage.WaitScript, () => Results.Text(OpenAppPage.WaitScriptText, "text/javascript")).AllowAnonymous();
    }

    private static async Task<IResult> SignInAsync([FromForm] Guid person, [FromForm] string? returnUrl, DemoPeople people, HttpContext http)
    {
        if (!await people.IsAsync(person, http.RequestAborted)) return NotFound("There is no such demo user.");
        await http.SignInAsync(new(new ClaimsIdentity([new(PortalClaims.Person, person.ToString())], "demo")));
        return SeeOther(http, LocalUrl.OrHome(returnUrl));
    }

    private static async Task<IResult> SignOutAsync([FromForm] string? returnUrl, HttpContext http)
    {
        await http.SignOutAsync();
        return SeeOther(http, returnUrl is null ? "/signed-out" : $"/signed-out?returnUrl={Uri.EscapeDataString(LocalUrl.OrHome(returnUrl))}");
    }

    private static async Task<IResult> OpenAsync(Guid id, string app, IFormCollection form, OpenApp open, OpenAppPage page, ClaimsPrincipal me,
        HttpContext http)
    {
        return await open.RunAsync(me.Actor(), me.SessionHash(), id, app, http.RequestAborted) switch
        {
            OpenAppOutcome.Opened opened => page.Result(http, opened, form["path"]),
            OpenAppOutcome.NotReady notReady when OpenAppPage.PathInApp(form["path"]) is { } path =>
                SeeOther(http, OpenAppPage.Address(new(app, notReady.Slug), path)),
            OpenAppOutcome.NotReady notReady => SeeOther(http, $"/workspaces/{notReady.Slug}"),
            _ => page.Nothing(http),
        };
    }

    private static async Task<IResult> OfferAsync(string slug, string app, string? path, FindApp find, OpenAppPage page, ClaimsPrincipal me,
        HttpContext http) =>
        await find.RunAsync(me.Actor(), slug, app, http.RequestAborted) is { } found ? page.Offer(http, found, path) : page.Nothing(http);

    /// <summary>Starts the workspace again for a person who wants to continue in one of its apps, and returns to the page that waits for it.</summary>
    private static async Task<IResult> StartAsync(
        string slug, string app, IFormCollection form, FindApp find, StartWorkspace start, OpenAppPage page, ClaimsPrincipal me, HttpContext http)
    {
        if (await find.RunAsync(me.Actor(), slug, app, http.RequestAborted) is not { } found) return page.Nothing(http);
        return await start.RunAsync(me.Actor(), found.Workspace, wanted: null, http.RequestAborted) switch
        {
            ChangeOutcome.Refused refused => page.Offer(http, found, form["path"], refused.Why),
            ChangeOutcome.NotFound => page.Nothing(http),
            _ => SeeOther(http, OpenAppPage.Address(new(found.App, slug), form["path"].ToString())),
        };
    }

    private static IResult SeeOther(HttpContext http, string path)
    {
        http.Response.Headers.Location = path;
        return Results.StatusCode(StatusCodes.Status303SeeOther);
    }

    private static IResult NotFound(string why) => Results.Text(why, statusCode: StatusCodes.Status404NotFound);

    /// <summary>A circuit first gets a moment to show that the session ended; if it stays open, it is closed and
    /// cannot come back, because the hub requires a session too.</summary>
    private static async Task CutCircuitAsync(HttpContext http, RequestDelegate next)
    {
        if (!http.Request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase)
            || http.User.FindFirstValue(PortalClaims.Session) is not { } session)
        {
            await next(http);
            return;
        }
        using var cut = new CancellationTokenSource(Timeout.InfiniteTimeSpan, http.RequestServices.GetRequiredService<TimeProvider>());
        await using var registered = cut.Token.Register(http.Abort);
        using var ending = http.RequestServices.GetRequiredService<SessionEndings>().On(session, () => cut.CancelAfter(Grace));
        await next(http);
    }
}
