using System.Security.Claims;
using Microsoft.AspNetCore.Components.Authorization;
using Portal.Core.People;

namespace Portal.Access;

/// <summary>The actor, for components and endpoints.</summary>
public sealed class CurrentPerson(AuthenticationStateProvider states)
{
    /// <summary>The signed-in person; throws if there is none, which cannot happen on pages that require a sign-in.</summary>
    public async Task<Actor> ActorAsync() => (await states.GetAuthenticationStateAsync()).User.Actor();
}

public static class CurrentPersonClaims
{
    /// <inheritdoc cref="CurrentPerson.ActorAsync"/>
    public static Actor Actor(this ClaimsPrincipal user) =>
        new(Guid.Parse(user.FindFirstValue(PortalClaims.Person) ?? throw new InvalidOperationException("Nobody is signed in.")));

    /// <summary>Hash of the portal session; throws if no one is signed in.</summary>
    public static string SessionHash(this ClaimsPrincipal user) =>
        user.FindFirstValue(PortalClaims.Session) ?? throw new InvalidOperationException("Nobody is signed in.");
}
