using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Portal.Core.Access;
using Portal.Core.People;

namespace Portal.Access;

/// <summary>Names of the claims used by the rest of the portal; any sign-in scheme must provide <see cref="Person"/>.</summary>
public static class PortalClaims
{
    /// <summary>Id of the person's row.</summary>
    public const string Person = "sub";
    public const string Name = "name", Role = "role", Issuer = "portal.issuer", Session = "portal.session";

    /// <summary>In the form that <c>IsInRole</c> expects.</summary>
    public static string Of(MemberRole role) => role switch
    {
        MemberRole.Student => "student",
        MemberRole.Assistant => "assistant",
        MemberRole.Instructor => "instructor",
        MemberRole.TenantAdmin => "tenant-admin",
        MemberRole.Operator => "operator",
        _ => throw new ArgumentOutOfRangeException(nameof(role)),
    };
}

/// <summary>The cookie is a random key, and a row holds its hash; person and roles are read from rows on every request.</summary>
internal sealed class SessionHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logs, UrlEncoder encoder,
    FindSession find, BeginSession begin, EndSession end, Site site) : SignInAuthenticationHandler<AuthenticationSchemeOptions>(options, logs, encoder)
{
    public const string Name = "session";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Request.Cookies[site.SessionCookie] is not { Length: > 0 and < 200 } key) return AuthenticateResult.NoResult();
        if (await find.RunAsync(Secret.Hash(key), Context.RequestAborted) is not { } who) return AuthenticateResult.NoResult();
        var identity = new ClaimsIdentity(Name, PortalClaims.Name, PortalClaims.Role);
        identity.AddClaim(new(PortalClaims.Person, who.PersonId.ToString()));
        identity.AddClaim(new(PortalClaims.Name, who.Name));
        identity.AddClaim(new(PortalClaims.Issuer, who.Issuer));
        identity.AddClaim(new(PortalClaims.Session, who.SessionHash));
        foreach (var role in who.Roles) identity.AddClaim(new(PortalClaims.Role, PortalClaims.Of(role)));
        return AuthenticateResult.Success(new(new(identity), Name));
    }

    protected override async Task HandleSignInAsync(ClaimsPrincipal user, AuthenticationProperties? properties)
    {
        var person = Guid.Parse(
            user.FindFirstValue(PortalClaims.Person) ?? throw new InvalidOperationException("The sign-in has no 'sub' claim with a person's id."));
        await EndPresentAsync();
        var key = await begin.RunAsync(person, Context.RequestAborted) ?? throw new InvalidOperationException("This person does not exist.");
        Response.Cookies.Append(site.SessionCookie, key, Cookie);
    }

    protected override async Task HandleSignOutAsync(AuthenticationProperties? properties)
    {
        await EndPresentAsync();
        Response.Cookies.Delete(site.SessionCookie, Cookie);
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        // Only a page that a person opens is redirected to the sign-in; programs and circuits get a status.
        var page = HttpMethods.IsGet(Request.Method)
            && !Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase)
            && !Request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase);
        if (page) Response.Redirect($"/sign-in?returnUrl={Uri.EscapeDataString(Request.Path + Request.QueryString)}");
        else Response.StatusCode = StatusCodes.Status401Unauthorized;
        return Task.CompletedTask;
    }

    // Browsers accept Secure over http on localhost; scripts cannot read it; a person following a link from elsewhere is still signed in.
    private static CookieOptions Cookie => new() { Path = "/", Secure = true, HttpOnly = true, SameSite = SameSiteMode.Lax, IsEssential = true };

    private Task EndPresentAsync() =>
        Request.Cookies[site.SessionCookie] is { Length: > 0 and < 200 } key ? end.RunAsync(Secret.Hash(key), Context.RequestAborted) : Task.CompletedTask;
}
