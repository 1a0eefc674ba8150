using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Portal.Core.Access;

namespace Portal.Access;

public static class PortalAccess
{
    /// <summary>Maximum body size for the portal itself, bytes; apps accept more.</summary>
    public const long LargestBody = 1 << 20;

    /// <summary>
    /// Sign-in, sessions, tickets, hosts. The rest of the portal only reads claims, so real sign-in adds a scheme that signs people in
    /// to this one, and the demo sign-in page is removed.
    /// </summary>
    public static IServiceCollection AddPortalAccess(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton(new Site(configuration["Site:PublicUrl"], configuration["Site:AppsDomain"], configuration["Installation:Id"]));
        services.AddAccessVerbs();
        services.AddSingleton<DemoSignIn>().AddSingleton<OpenAppPage>();
        services.AddSingleton<SessionEndings>().AddHostedService(p => p.GetRequiredService<SessionEndings>());
        services.AddAuthentication(SessionHandler.Name).AddScheme<AuthenticationSchemeOptions, SessionHandler>(SessionHandler.Name, null);
        services.AddAuthorization();
        services.AddScoped<AuthenticationStateProvider, SessionWatch>().AddScoped<CurrentPerson>();
        services.AddAntiforgery();
        services.AddOptions<AntiforgeryOptions>().Configure<Site>((o, site) => o.Cookie = new SecureCookie(site.FormCookie));
        var keys = configuration["DataProtection:KeysFolder"]
            ?? throw new InvalidOperationException("DataProtection:KeysFolder is not set: a folder that only the portal's user can read.");
        services.AddDataProtection().SetApplicationName($"portal-{configuration["Installation:Id"]}").PersistKeysToFileSystem(new(keys));
        services.Configure<KestrelServerOptions>(o => (o.Limits.MaxRequestBodySize, o.AddServerHeader) = (LargestBody, false));
        services.Configure<FormOptions>(o => (o.ValueLengthLimit, o.BufferBodyLengthLimit) = (16 << 10, LargestBody));
        return services;
    }

    /// <summary>
    /// Lax, because people also follow links from pages of apps: without its cookie such a page would be given a new one, and the forms of
    /// all open pages would be refused. Forms from other origins are refused by their Origin. Always Secure,
    /// also over http on localhost, which browsers accept; the framework's own setting would refuse to work there.
    /// </summary>
    private sealed class SecureCookie : CookieBuilder
    {
        public SecureCookie(string name) => (Name, Path, HttpOnly, SameSite, IsEssential) = (name, "/", true, SameSiteMode.Lax, true);

        public override CookieOptions Build(HttpContext context, DateTimeOffset expiresFrom)
        {
            var cookie = base.Build(context, expiresFrom);
            cookie.Secure = true;
            return cookie;
        }
    }
}
