using System.Globalization;
using Portal.Core.Data;
using Portal.Shell;

namespace Portal.Access;

public static class Health
{
    /// <summary>GET /health, under any host name, ahead of everything else: 200 "ok", or 503 with the
    /// reason. A process with the wrong schema serves nothing else.</summary>
    public static void UseHealth(this IApplicationBuilder app)
    {
        var gate = app.ApplicationServices.GetRequiredService<SchemaGate>();
        var unavailable = app.ApplicationServices.GetRequiredService<Unavailable>();
        var passed = false;
        app.Use(async (http, next) =>
        {
            var isCheck = http.Request.Path == "/health" && !http.Request.Headers.ContainsKey("Origin");
            if (passed && !isCheck)
            {
                await next(http);
                return;
            }
            var reason = await gate.ReasonAsync(http.RequestAborted);
            passed |= reason is null;
            if (reason is null && !isCheck)
            {
                await next(http);
                return;
            }
            if (!isCheck)
            {
                await unavailable.SayAsync(http, reason!.StartsWith(SchemaGate.Unavailable, StringComparison.Ordinal) ? null : reason);
                return;
            }
            http.Response.StatusCode = reason is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            http.Response.Headers.CacheControl = "no-store";
            if (reason is not null) http.Response.Headers.RetryAfter = DatabaseUnavailable.RetryAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture);
            await http.Response.WriteAsync(reason ?? "ok", http.RequestAborted);
        });
    }
}
