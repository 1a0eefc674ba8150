using Hangfire;
using Hangfire.Dashboard;

namespace Portal.Jobs.Background;

/// <summary>Hangfire's dashboard on a Unix socket that only the web process may open, which decides who may
/// see it and forwards requests. To act on a run, use the portal's verbs.</summary>
public static class OperatorsDashboard
{
    public const string Path = "/operations/jobs";

    public static void MapOperatorsDashboard(this WebApplication app)
    {
        app.Use((context, next) =>
        {
            if (context.Request.Headers["X-Forwarded-Prefix"] is [{ Length: > 0 } prefix]) context.Request.PathBase = prefix;
            return next(context);
        });
        app.UseRouting();
        app.MapHangfireDashboard(Path, new DashboardOptions
        {
            Authorization = [new WebAuthorizationFilter()],
            IsReadOnlyFunc = _ => true,
            IgnoreAntiforgeryToken = true, // read-only
            AppPath = "/operations",
            DashboardTitle = "Background jobs",
            DisplayStorageConnectionString = false,
            StatsPollingInterval = 5000,
        });
    }

    private sealed class WebAuthorizationFilter : IDashboardAuthorizationFilter
    {
        public bool Authorize(DashboardContext context) => context.GetHttpContext().Request.Headers["X-Portal-Operator"] == "yes";
    }
}
