using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Portal.Access;
using Portal.Core.Access;
using Yarp.ReverseProxy.Forwarder;

namespace Portal.Proxy;

/// <summary>App traffic: checks and forwards, nothing else. It forwards directly, so there are no routes or clusters to reload.</summary>
internal sealed class AppProxy(IHttpForwarder forwarder, AppAccessCache cache, EnterApp enter, Site site, AppAnswers answers, TimeProvider clock)
{
    /// <summary>Maximum body size that is sent to an app, bytes: large enough to upload a data set.</summary>
    private const long LargestUpload = 8L << 30;
    private const int LargestTicketForm = 4 << 10;

    /// <summary>Number of path segments of <see cref="AppLinks.Through"/> and <see cref="AppLinks.At"/>.</summary>
    private const int SegmentsBefore = 2;

    // A notebook may compute for a long time without sending anything.
    private static readonly ForwarderRequestConfig Config =
        new() { ActivityTimeout = TimeSpan.FromMinutes(30), Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };

    public async Task HandleAsync(HttpContext http)
    {
        if (!site.TryApp(http.Request.Host, out var host)) await answers.NotFoundAsync(http, null);
        else if (AppAnswers.RequestsServiceWorker(http.Request)) await AppAnswers.NoWorkerAsync(http);
        else if (AppTarget.Of(http) is not { } target) await answers.UnreadableAsync(http);
        else if (IsBelow(http, AppLinks.Through)) await ThroughAsync(http, host, target);
        else if (IsBelow(http, AppLinks.At)) await LeadAsync(http, host, target);
        else if (IsBelow(http, "/.portal")) await EnterAsync(http, host);
        else if (await FindAsync(http, host) is not { } entry) await answers.ClosedAsync(http, host, target);
        else if (!MayRequest(http, site.AppOrigin(host))) await answers.RefusedAsync(http);
        else await ForwardAsync(http, host, entry, entry.Access.EndPoint, entry.Token, target);
    }

    /// <summary>Judged by the decoded path, which has the target's segments: dot segments were refused, and an encoded slash is not decoded.</summary>
    private static bool IsBelow(HttpContext http, string path) => http.Request.Path.StartsWithSegments(path, StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// A script of a compute engine's page asks another node of its own workspace, as HDFS does for uploads. It asks its own host, so that no
    /// page ever needs permission to read another host; only a script's request is answered, never one that would be shown or run as a page,
    /// and nodes that were given a token can neither send nor receive such requests.
    /// </summary>
    private async Task ThroughAsync(HttpContext http, AppHost host, string target)
    {
        var app = http.Request.Path.Value!.Split('/').ElementAtOrDefault(SegmentsBefore + 1) ?? "";
        if (await FindAsync(http, host) is not { } entry)
            await answers.ClosedAsync(http, host, "/");
        else if (new AppLinks(site, entry.Access) is not { Any: true } links || links.Find(app) is not { HasToken: false } link)
            await answers.NotFoundAsync(http, host);
        else if (!MayRequest(http, site.AppOrigin(host)) || http.IsUpgrade()
            || http.Request.Headers["Sec-Fetch-Dest"] != "empty" || http.Request.Headers["Sec-Fetch-Site"] != "same-origin")
            await answers.RefusedAsync(http);
        else
        {
            await ForwardAsync(http, host, entry, link.EndPoint, token: null, AppTarget.After(target, SegmentsBefore + 1), through: true);
        }
    }

    /// <summary>A link to a node of the same workspace, by the node's own address: redirects to its app's host, and nowhere else.</summary>
    private async Task LeadAsync(HttpContext http, AppHost host, string target)
    {
        var wanted = AppTarget.After(target, SegmentsBefore).TrimStart('/');
        if (await FindAsync(http, host) is { } entry && new AppLinks(site, entry.Access).Lead(wanted, navigates: true) is { } there)
            http.Response.Redirect(there);
        else await answers.NotFoundAsync(http, host);
    }

    private Task<CachedAppAccess?> FindAsync(HttpContext http, AppHost host) =>
        http.Request.Cookies[site.AppCookie] is { Length: > 0 and < 200 } key
            ? cache.FindAsync(key, host, http.RequestAborted)
            : Task.FromResult<CachedAppAccess?>(null);

    /// <summary>
    /// Browsers treat all apps as one site and would send this app's cookie with requests from another app's page. So a request that writes, opens a
    /// WebSocket or has an Origin at all must come from a page on this same host; other pages may only link here.
    /// </summary>
    private static bool MayRequest(HttpContext http, string own)
    {
        var origin = http.Request.Headers.Origin;
        if (origin.Count > 0) return origin.Count == 1 && origin[0] == own;
        if (http.IsUpgrade() || !(HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method))) return false;
        var from = http.Request.Headers["Sec-Fetch-Site"].ToString();
        return from is "" or "same-origin" or "none"
            || (http.Request.Headers["Sec-Fetch-Mode"] == "navigate" && http.Request.Headers["Sec-Fetch-Dest"] == "document");
    }

    /// <summary>Exchanges a ticket in the body of a POST from a portal page for a cookie on this host. Nothing else exists under /.portal.</summary>
    private async Task EnterAsync(HttpContext http, AppHost host)
    {
        var origin = http.Request.Headers.Origin;
        if (http.Request.Path != OpenAppPage.EnterPath
            || !HttpMethods.IsPost(http.Request.Method)
            || origin.Count != 1
            || origin[0] != site.Origin
            || !http.Request.HasFormContentType)
        {
            await answers.NotFoundAsync(http, host);
            return;
        }
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = LargestTicketForm;
        string? ticket, path;
        try
        {
            var form = await http.Request.ReadFormAsync(http.RequestAborted);
            (ticket, path) = (form["ticket"], form["path"]);
        }
        catch (Exception e) when (e is BadHttpRequestException or InvalidDataException)
        {
            await answers.NotFoundAsync(http, host);
            return;
        }
        if (ticket is not { Length: > 0 and < 200 }
            || await enter.RunAsync(ticket, host.Slug, host.App, http.RequestAborted) is not EnterAppOutcome.Entered entered)
        {
            await answers.NotFoundAsync(http, host);
            return;
        }
        AppTransformer.Protect(http.Response.Headers);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Cookies.Append(site.AppCookie, entered.Key,
            new() { Path = "/", Secure = true, HttpOnly = true, SameSite = SameSiteMode.Lax, IsEssential = true });
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = LocalUrl.OrHome(string.IsNullOrEmpty(path) ? entered.Path : OpenAppPage.PathInApp(path));
    }

    private async Task ForwardAsync(HttpContext http, AppHost host, CachedAppAccess entry, IPEndPoint? node, string? token, string target, bool through = false)
    {
        if (node is not { } address)
        {
            // The portal's page shows and explains the state of the node.
            if (through) await answers.UnavailableAsync(http, host, "/", StatusCodes.Status503ServiceUnavailable);
            else if (AppAnswers.IsTab(http)) answers.LeadToPortal(http, host, target);
            else await answers.UnavailableAsync(http, host, target, StatusCodes.Status503ServiceUnavailable);
            return;
        }
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = LargestUpload;
        entry.Enter(clock.GetUtcNow());
        try
        {
            var transformer = new AppTransformer(site, target, token, new(site, entry.Access), clock, through);
            var error = await forwarder.SendAsync(http, $"http://{address}", entry.Client, Config, transformer, entry.Ends);
            if (error is ForwarderError.None || http.Response.HasStarted) return;
            if (error is ForwarderError.RequestBodyClient && http.Response.StatusCode == StatusCodes.Status413PayloadTooLarge)
                await answers.TooLargeAsync(http, host);
            else if (entry.Ends.IsCancellationRequested) await answers.ClosedAsync(http, host, target);
            else await answers.UnavailableAsync(http, host, target, StatusCodes.Status502BadGateway);
        }
        finally
        {
            entry.Leave(clock.GetUtcNow());
        }
    }
}
