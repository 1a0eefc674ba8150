namespace Portal.Jobs.Background;

/// <summary>
/// Node logs on the Unix socket that only the web process may open; the web process decides who may read which. Lines of text, each with a timestamp.
/// </summary>
public static class NodeLogEndpoint
{
    /// <summary>For a log that is not followed: at most its last bytes.</summary>
    public const int MostBytes = 5 << 20;

    /// <summary>Lines per second of a followed log: no one can read faster, and it bounds the cost of a node that writes endlessly.</summary>
    public const int MostLines = 500;

    public static IServiceCollection AddNodeLogs(this IServiceCollection services) => services.AddSingleton<LogStreams>();

    public static void MapNodeLogs(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/logs/{workspace:guid}/{node}", (Guid workspace, string node, int? tail, bool? follow, LogStreams logs, HttpContext http) =>
            follow == true ? logs.FollowAsync(http, workspace, node, tail) : logs.SendEndAsync(http, workspace, node, tail));
}
