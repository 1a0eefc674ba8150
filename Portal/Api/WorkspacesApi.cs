using System.Globalization;
using System.Security.Claims;
using Portal.Access;
using Portal.Core.Access;
using Portal.Core.Data;
using Portal.Core.Workspaces;

namespace Portal.Api;

/// <summary>The verbs of the pages, for programs: same classes, same refusals.</summary>
internal static class WorkspacesApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var workspaces = api.MapGroup("/workspaces");
        workspaces.MapPost("/", LaunchAsync)
            .WithSummary("Launch a workspace; repeating an id launches nothing")
            .Produces<LaunchedShape>(StatusCodes.Status202Accepted)
            .ProducesProblem(409)
            .ProducesProblem(422)
            .ProducesValidationProblem();
        workspaces.MapGet("/", ListAsync)
            .WithSummary("My workspaces, newest first: up to limit of them, after the one that next of the page before named")
            .Produces<Page<WorkspaceShape>>()
            .ProducesProblem(422);
        workspaces.MapGet("/{id:guid}", LookAsync)
            .WithSummary("One workspace, with the steps of its latest run")
            .Produces<WorkspaceShape>()
            .ProducesProblem(404);
        workspaces.MapPost("/{id:guid}/stop", StopAsync)
            .WithSummary("Stop a workspace and keep its files; cancels a launch")
            .Produces(202)
            .ProducesProblem(404)
            .ProducesProblem(409);
        workspaces.MapPost("/{id:guid}/start", StartAsync).WithSummary("Start a stopped workspace").Produces(202).ProducesProblem(404).ProducesProblem(409);
        workspaces.MapPost("/{id:guid}/extend", ExtendAsync).WithSummary("Change its end time").Produces(202).ProducesProblem(404).ProducesProblem(422);
        workspaces.MapPost("/{id:guid}/keep", KeepAsync)
            .WithSummary("Keep an idle workspace running for a given number of hours")
            .Produces(202)
            .ProducesProblem(404)
            .ProducesProblem(422);
        workspaces.MapPost("/{id:guid}/resize", ResizeAsync)
            .WithSummary("Change the number of workers while it runs; the current number cancels a change in progress")
            .Produces(202)
            .ProducesProblem(404)
            .ProducesProblem(409)
            .ProducesProblem(422);
        workspaces.MapDelete("/{id:guid}", DeleteAsync).WithSummary("Delete a workspace; the work folder is kept").Produces(202).ProducesProblem(404);
        workspaces.MapPost("/{id:guid}/apps/{app}/ticket", TicketAsync)
            .WithSummary("Get a ticket for one of its apps")
            .Produces<TicketShape>()
            .ProducesProblem(404)
            .ProducesProblem(409);
    }

    private static async Task<IResult> LaunchAsync(NewWorkspace wanted, ClaimsPrincipal me, LaunchWorkspace launch, CancellationToken cancel)
    {
        var request = new LaunchRequest(wanted.Id!.Value, me.Actor(), wanted.ClassId!.Value,
            wanted.TemplateId!, wanted.Size!, wanted.Name!, wanted.EndAt ?? default)
        {
            RunFor = wanted.Hours is { } hours ? TimeSpan.FromHours(hours) : null,
            Workers = wanted.Workers,
            Parameters = wanted.Parameters ?? new Dictionary<string, string>(StringComparer.Ordinal),
        };
        return await launch.RunAsync(request, cancel) switch
        {
            LaunchOutcome.Accepted accepted =>
                TypedResults.Accepted($"{PortalApi.Prefix}/workspaces/{request.Id}", new LaunchedShape(request.Id, accepted.Slug, accepted.Place)),
            LaunchOutcome.Refused refused => Problems.Of(refused.Why),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    private static async Task<IResult> ListAsync(string? after, string? limit, ClaimsPrincipal me, WorkspaceFeed feed, CancellationToken cancel)
    {
        if (!int.TryParse(limit ?? "50", NumberStyles.None, CultureInfo.InvariantCulture, out var most) || most is < 1 or > Page.Longest)
            return Refuse("limit", $"The limit must be a whole number from 1 to {Page.Longest}.");
        Guid? last = Guid.TryParse(after, out var id) ? id : null;
        return after is { Length: > 0 } && last is null || await feed.PageAsync(me.Actor(), last, most, cancel) is not { } page
            ? Refuse("after", "It must be the id of one of your workspaces: take it from next of the page before.")
            : TypedResults.Ok(page.Select(WorkspaceShape.Of));

        static IResult Refuse(string field, string why) => Problems.Say(StatusCodes.Status422UnprocessableEntity, "Refused", why, ("field", field));
    }

    private static async Task<IResult> LookAsync(Guid id, ClaimsPrincipal me, WorkspaceFeed feed, CancellationToken cancel) =>
        await feed.LookAsync(me.Actor(), id, cancel) is { } view ? TypedResults.Ok(WorkspaceShape.Of(view)) : Problems.NotFound();

    private static async Task<IResult> StopAsync(Guid id, ClaimsPrincipal me, StopWorkspace stop, CancellationToken cancel) =>
        Answer(await stop.RunAsync(me.Actor(), id, cancel), id);

    private static async Task<IResult> StartAsync(Guid id, StartAgain? again, ClaimsPrincipal me, StartWorkspace start, CancellationToken cancel)
    {
        var changes = new StartChanges(again?.EndAt, again?.Size, again?.Workers, again?.NewestVersion ?? false, again?.WithoutSettings ?? false);
        return Answer(await start.RunAsync(me.Actor(), id, changes, cancel), id);
    }

    private static async Task<IResult> ExtendAsync(Guid id, NewEnd end, ClaimsPrincipal me, ExtendWorkspace extend, CancellationToken cancel) =>
        Answer(await extend.RunAsync(me.Actor(), id, end.EndAt!.Value, cancel), id);

    private static async Task<IResult> KeepAsync(Guid id, KeepFor wanted, ClaimsPrincipal me, KeepWorkspace keep, CancellationToken cancel) =>
        Answer(await keep.RunAsync(me.Actor(), id, wanted.Hours!.Value, cancel), id);

    private static async Task<IResult> ResizeAsync(Guid id, NewNumber wanted, ClaimsPrincipal me, ResizeWorkspace resize, CancellationToken cancel) =>
        Answer(await resize.RunAsync(me.Actor(), id, wanted.Workers!.Value, cancel), id);

    private static async Task<IResult> DeleteAsync(Guid id, ClaimsPrincipal me, DeleteWorkspace delete, CancellationToken cancel) =>
        Answer(await delete.RunAsync(me.Actor(), id, cancel), id);

    private static async Task<IResult> TicketAsync(Guid id, string app, ClaimsPrincipal me, OpenApp open, Site site, CancellationToken cancel) =>
        await open.RunAsync(me.Actor(), me.SessionHash(), id, app, cancel) switch
        {
            OpenAppOutcome.Opened o => TypedResults.Ok(new TicketShape(o.Ticket, site.AppOrigin(new(o.App, o.Slug)) + OpenAppPage.EnterPath, site.Origin)),
            OpenAppOutcome.NotReady n =>
                Problems.Say(StatusCodes.Status409Conflict, "Not ready", $"The workspace is {n.Status}.", ("reason", "NotReady"),
                    ("status", n.Status.ToString())),
            _ => Problems.NotFound(),
        };

    private static IResult Answer(ChangeOutcome outcome, Guid id) => outcome switch
    {
        ChangeOutcome.Accepted or ChangeOutcome.Already => TypedResults.Accepted($"{PortalApi.Prefix}/workspaces/{id}"),
        ChangeOutcome.Refused refused => Problems.Of(refused),
        _ => Problems.NotFound(),
    };
}
