using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using Portal.Access;
using Portal.Core.Offers;

namespace Portal.Api;

/// <summary>Why a template is withdrawn, shown to students.</summary>
public sealed record Deprecation([property: Required, StringLength(DeprecateTemplate.LongestReason, MinimumLength = 1)] string? Reason);

/// <summary>The classes that may launch it, among those the caller decides for; an empty list means all.</summary>
public sealed record Restriction([property: Required, MaxLength(1000)] IReadOnlyList<Guid>? Classes);

/// <param name="File">Path below the template folder.</param>
/// <param name="Line">Starting at 1; 0 if the error is not in a line.</param>
/// <param name="Field">For example roles[1].image; empty if the error is not in a key.</param>
public sealed record TemplateFaultShape(string File, long Line, string Field, string Reason, DateTimeOffset SeenAt);

/// <param name="Hash">Hash of the content of the newest version.</param>
/// <param name="Offered">False when its folder is missing.</param>
/// <param name="Deprecated">Why it is withdrawn; null while it is offered.</param>
/// <param name="Classes">Classes that may launch it; empty for all.</param>
public sealed record ManagedTemplateShape(string Id, string Title, string Hash, DateTimeOffset PublishedAt, int Workspaces, int OlderWorkspaces,
    bool Offered, string? Deprecated, IReadOnlyList<Guid> Classes);

/// <param name="Faults">For operators only.</param>
public sealed record ManagedTemplatesShape(IReadOnlyList<ManagedTemplateShape> Templates, IReadOnlyList<TemplateFaultShape> Faults);

/// <summary>What is offered, for operators and admins of departments.</summary>
internal static class TemplatesApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var templates = api.MapGroup("/managed-templates");
        templates.MapGet("/", ListAsync)
            .WithSummary("All templates with version and access, and the folders that could not be published")
            .Produces<ManagedTemplatesShape>()
            .ProducesProblem(404);
        templates.MapPost("/{template}/deprecate", DeprecateAsync)
            .WithSummary("Withdraw a template: nothing new can be launched from it; existing workspaces keep running")
            .Produces(204)
            .ProducesProblem(404)
            .ProducesProblem(409)
            .ProducesValidationProblem();
        templates.MapPost("/{template}/offer", OfferAsync)
            .WithSummary("Offer a withdrawn template again")
            .Produces(204)
            .ProducesProblem(404)
            .ProducesProblem(409);
        templates.MapPost("/{template}/restrict", RestrictAsync)
            .WithSummary("Limit a template to some classes")
            .Produces(204)
            .ProducesProblem(404)
            .ProducesProblem(409)
            .ProducesProblem(422)
            .ProducesValidationProblem();
    }

    private static async Task<IResult> ListAsync(ClaimsPrincipal me, TemplatesFeed feed, CancellationToken cancel) =>
        await feed.ReadAsync(me.Actor(), cancel) is { } view
        ? TypedResults.Ok(new ManagedTemplatesShape(
            [.. view.Rows.Select(r =>
                new ManagedTemplateShape(r.Id, r.Title, r.Hash, r.PublishedAt, r.Workspaces, r.OlderWorkspaces, r.Offered, r.Deprecated, r.Classes))],
            [.. view.Faults.Select(f => new TemplateFaultShape(f.File, f.Line, f.Field, f.Reason, f.SeenAt))]))
        : Problems.NotFound();

    private static async Task<IResult> DeprecateAsync(string template, Deprecation why, ClaimsPrincipal me, DeprecateTemplate deprecate,
        CancellationToken cancel) => Answer(await deprecate.RunAsync(me.Actor(), template, why.Reason!, cancel));

    private static async Task<IResult> OfferAsync(string template, ClaimsPrincipal me, OfferTemplate offer, CancellationToken cancel) =>
        Answer(await offer.RunAsync(me.Actor(), template, cancel));

    private static async Task<IResult> RestrictAsync(string template, Restriction only, ClaimsPrincipal me, RestrictTemplate restrict,
        CancellationToken cancel) => Answer(await restrict.RunAsync(me.Actor(), template, [.. only.Classes!.Distinct()], cancel));

    private static IResult Answer(TemplateOutcome outcome) => outcome switch
    {
        TemplateOutcome.Done => TypedResults.NoContent(),
        TemplateOutcome.Refused { Why: TemplateRefusal.ConcernsOthers } refused =>
            Problems.Say(StatusCodes.Status409Conflict, "Refused",
                "This would change what other departments can launch; only an operator may do that.", ("reason", refused.Why.ToString())),
        TemplateOutcome.Refused { Why: TemplateRefusal.ClassUnknown } refused =>
            Problems.Say(StatusCodes.Status422UnprocessableEntity, "Refused", "One of the classes does not exist or belongs to another department.",
                ("reason", refused.Why.ToString())),
        TemplateOutcome.Refused refused =>
            Problems.Say(StatusCodes.Status422UnprocessableEntity, "Refused",
                $"A reason of 1 to {DeprecateTemplate.LongestReason} characters is required.", ("reason", refused.Why.ToString())),
        _ => Problems.NotFound(),
    };
}
