using System.Security.Claims;
using Microsoft.EntityFrameworkCore;
using Portal.Access;
using Portal.Core.Data;
using Portal.Core.Offers;
using Portal.Core.Workspaces;

namespace Portal.Api;

/// <summary>Who I am and what I can launch.</summary>
internal static class MeApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/me", MeAsync).WithSummary("The signed-in person and their classes").Produces<MeShape>();
        api.MapGet("/templates", TemplatesAsync).WithSummary("The templates and whether they can be launched").Produces<IReadOnlyList<TemplateShape>>();
    }

    private static async Task<IResult> MeAsync(ClaimsPrincipal me, IDbContextFactory<PortalDb> databases, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var classes = await MyClasses.ReadAsync(db, me.Actor().PersonId, cancel);
        return TypedResults.Ok(
            new MeShape(me.Actor().PersonId, me.Identity!.Name ?? "", [.. me.FindAll(PortalClaims.Role).Select(c => c.Value)],
                [.. classes.Select(c => new ClassShape(c.Id, c.Title, c.LongestHours))]));
    }

    private static async Task<IResult> TemplatesAsync(ClaimsPrincipal me, CatalogFeed catalog, CancellationToken cancel)
    {
        var view = await catalog.ReadAsync(me.Actor(), cancel);
        return TypedResults.Ok<IReadOnlyList<TemplateShape>>([.. view.Cards.Select(c => new TemplateShape(
            c.Spec.Id, c.Spec.Title, c.Spec.Version,
            [.. c.Spec.Sizes.Select(s => new SizeShape(s.Id, s.Title, s.Vcpu, s.MemoryMib))],
            [.. c.Spec.Apps.Select(a => new AppShape(a.Id, a.Title, a.Kernels))],
            c.NotAvailable, c.Building))]);
    }
}
