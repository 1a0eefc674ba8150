using System.Security.Claims;
using Portal.Access;
using Portal.Core.Classes;
using Portal.Core.Policy;

namespace Portal.Api;

/// <summary>Rules of a class, for the people responsible for it.</summary>
internal static class ClassesApi
{
    public static void Map(RouteGroupBuilder api) => api
        .MapPut("/classes/{id:guid}/idle", SetIdleAsync)
        .WithSummary("Set the number of idle minutes after which workspaces are stopped; null turns this off")
        .Produces(204)
        .ProducesProblem(404)
        .ProducesProblem(422)
        .ProducesValidationProblem();

    private static async Task<IResult> SetIdleAsync(Guid id, IdleRule rule, ClaimsPrincipal me, SetIdleRule set, CancellationToken cancel) =>
        await set.RunAsync(me.Actor(), id, rule.Minutes, cancel) switch
        {
            SetIdleRuleOutcome.Accepted => TypedResults.NoContent(),
            SetIdleRuleOutcome.OutOfRange =>
                Problems.Say(StatusCodes.Status422UnprocessableEntity, "Refused",
                    $"Must be between {IdlePolicy.Shortest} and {IdlePolicy.Longest} minutes.", ("field", "minutes")),
            _ => Problems.NotFound(),
        };
}
