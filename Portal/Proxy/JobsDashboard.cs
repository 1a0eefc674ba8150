using System.Security.Claims;
using Microsoft.EntityFrameworkCore;
using Portal.Access;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.Policy;
using Yarp.ReverseProxy.Forwarder;

namespace Portal.Proxy;

/// <summary>
/// Pages about background jobs for operators, served by Jobs on its Unix socket and forwarded read-only.
/// For everyone else the address does not exist.
/// </summary>
internal sealed class JobsDashboard(JobsClient jobs, IHttpForwarder forwarder, IDbContextFactory<PortalDb> databases, ILogger<JobsDashboard> log)
{
    public const string Path = "/operations/jobs", OperatorHeader = "X-Portal-Operator";

    public async Task HandleAsync(HttpContext http)
    {
        // From the rows, not the claim, so that revoking a role takes effect at the next request.
        if (!await MayAsync(http.User, http.RequestAborted))
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        if (!HttpMethods.IsGet(http.Request.Method)
            && !(HttpMethods.IsPost(http.Request.Method) && http.Request.Path.Value!.EndsWith("/stats", StringComparison.Ordinal)))
        {
            http.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }
        var error = await forwarder.SendAsync(http, JobsClient.Address, jobs.Invoker, ForwarderRequestConfig.Empty, Transformer.Instance, http.RequestAborted);
        if (error is ForwarderError.None || http.Response.HasStarted) return;
        log.LogWarning("Portal.Jobs is not responding on its socket: {Error}", error);
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.RetryAfter = JobsClient.RetryAfter;
        await http.Response.WriteAsync("The background worker is not responding. It may be restarting.", http.RequestAborted);
    }

    private async Task<bool> MayAsync(ClaimsPrincipal user, CancellationToken cancel)
    {
        if (user.Identity?.IsAuthenticated != true) return false;
        await using var db = await databases.CreateDbContextAsync(cancel);
        return Permissions.May(Verb.SeeOperations, await db.RolesAsync(user.Actor(), null, null, null, cancel));
    }

    private sealed class Transformer : HttpTransformer
    {
        public static readonly Transformer Instance = new();

        public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix,
            CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            foreach (var name in (string[])["Cookie", "Authorization", OperatorHeader, "X-Forwarded-Prefix"]) proxyRequest.Headers.Remove(name);
            proxyRequest.Headers.Add(OperatorHeader, "yes");
            proxyRequest.Headers.Host = "jobs";
            proxyRequest.Headers.TryAddWithoutValidation("X-Forwarded-Prefix", httpContext.Request.PathBase.Value);
        }

        public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse,
            CancellationToken cancellationToken)
        {
            var csp = httpContext.Response.Headers.ContentSecurityPolicy;
            var goesOn = await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
            httpContext.Response.Headers.ContentSecurityPolicy = csp; // our policy applies to these pages too
            httpContext.Response.Headers.Remove("Set-Cookie");
            return goesOn;
        }
    }
}
