using System.Security.Claims;
using Portal.Access;
using Portal.Core.Metrics;

namespace Portal.Api;

/// <summary>Measurements of a workspace.</summary>
internal static class MetricsApi
{
    public static void Map(RouteGroupBuilder api) => api
        .MapGet("/workspaces/{id:guid}/metrics", ReadAsync)
        .WithSummary("CPU, memory, network, disk and counts of its nodes over the last 1h, 1d or 30d")
        .Produces<MetricsShape>()
        .ProducesProblem(404)
        .ProducesProblem(422);

    private static async Task<IResult> ReadAsync(Guid id, string? window, ClaimsPrincipal me, MetricsReader metrics, CancellationToken cancel)
    {
        if (MetricsWindows.Parse(window ?? MetricsWindows.Names[0]) is not { } chosen)
            return Problems.Say(StatusCodes.Status422UnprocessableEntity, "Refused",
                $"The window must be one of {string.Join(", ", MetricsWindows.Names)}.", ("field", "window"));
        return await metrics.ReadAsync(me.Actor(), id, chosen, cancel) is { } view ? TypedResults.Ok(MetricsShape.Of(view)) : Problems.NotFound();
    }
}

/// <summary>The windows, as named in URLs.</summary>
public static class MetricsWindows
{
    public static readonly IReadOnlyList<string> Names = ["1h", "1d", "30d"];

    public static string Name(MetricsWindow window) => Names[(int)window];

    /// <summary>Null for an unknown name.</summary>
    public static MetricsWindow? Parse(string? name) => Names.ToList().IndexOf(name ?? "") is var at and >= 0 ? (MetricsWindow)at : null;
}

/// <param name="StepSeconds">Duration of one point.</param>
public sealed record MetricsShape(string Window, DateTimeOffset From, DateTimeOffset To, double StepSeconds, IReadOnlyList<NodeMetrics> Nodes,
    IReadOnlyList<CountMetrics> Counts)
{
    public static MetricsShape Of(MetricsView view) =>
        new(MetricsWindows.Name(view.Window), view.From, view.To, view.Step.TotalSeconds, view.Nodes, view.Counts);
}
