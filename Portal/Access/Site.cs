using System.Diagnostics.CodeAnalysis;

namespace Portal.Access;

/// <summary>The host of one app: <c>app--slug.apps.localhost</c>. We parse it ourselves, without a route pattern.</summary>
public readonly record struct AppHost(string App, string Slug);

/// <summary>
/// The addresses of the portal and the apps. Everything about hosts, origins and cookie names is computed here, from
/// <c>Site:PublicUrl</c>, <c>Site:AppsDomain</c> and <c>Installation:Id</c>.
/// </summary>
public sealed class Site
{
    private readonly string _appsSuffix;

    public Site(string? publicUrl, string? appsDomain, string? installation)
    {
        if (!Uri.TryCreate(publicUrl, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.PathAndQuery != "/")
            throw new InvalidOperationException(
                $"Site:PublicUrl is '{publicUrl}': it must be the portal's address without a path, such as https://portal.example.org.");
        if (string.IsNullOrEmpty(appsDomain) || Uri.CheckHostName(appsDomain) is not UriHostNameType.Dns)
            throw new InvalidOperationException($"Site:AppsDomain is '{appsDomain}': it must be a domain for the apps' hosts, such as apps.localhost.");
        if (string.Equals(SiteOf(url.Host), SiteOf(appsDomain), StringComparison.OrdinalIgnoreCase))
            throw new InvalidOperationException(
                $"Site:AppsDomain {appsDomain} is the same site as {url.Host}: "
                + "apps that students run would receive the portal's cookies. Give the apps their own domain.");
        if (installation is not { Length: >= 5 } || !installation.All(char.IsAsciiLetterOrDigit))
            throw new InvalidOperationException("Installation:Id is not set: ten letters and digits that identify this installation.");
        (PublicUrl, AppsDomain) = (url, appsDomain.ToLowerInvariant());
        _appsSuffix = $".{AppsDomain}{(url.IsDefaultPort ? "" : $":{url.Port}")}";
        var id = installation[..5];
        (SessionCookie, AppCookie, FormCookie) = ($"__Host-portal-{id}", $"__Host-app-{id}", $"__Host-form-{id}");
    }

    public Uri PublicUrl { get; }
    public string AppsDomain { get; }

    /// <summary>The portal's origin, in the form browsers send.</summary>
    public string Origin => PublicUrl.GetLeftPart(UriPartial.Authority);

    /// <summary>Cookies ignore ports, so their names contain the installation.</summary>
    public string SessionCookie { get; }

    /// <summary>The cookie on the apps' hosts.</summary>
    public string AppCookie { get; }

    /// <summary>The antiforgery cookie.</summary>
    public string FormCookie { get; }

    /// <summary>Whether this is exactly the portal's host and port.</summary>
    public bool IsPortal(HostString host) => string.Equals(host.Value, PublicUrl.Authority, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether this is a host under the apps' domain; such an app need not exist.</summary>
    public bool IsBelowApps(HostString host) => host.Host.EndsWith($".{AppsDomain}", StringComparison.OrdinalIgnoreCase);

    /// <summary>False for anything but one well-formed label under the apps' domain, on the portal's port.</summary>
    public bool TryApp(HostString host, [MaybeNullWhen(false)] out AppHost app)
    {
        app = default;
        if (host.Value is not { } value || !value.EndsWith(_appsSuffix, StringComparison.OrdinalIgnoreCase)) return false;
        var label = value[..^_appsSuffix.Length].ToLowerInvariant();
        var cut = label.LastIndexOf("--", StringComparison.Ordinal);
        if (cut <= 0 || cut + 2 >= label.Length || !label.All(c => c is '-' || char.IsAsciiLetterOrDigit(c))) return false;
        app = new(label[..cut], label[(cut + 2)..]);
        return true;
    }

    /// <summary>The app's address, which is also the origin of everything on its host.</summary>
    public string AppOrigin(AppHost app) => $"{PublicUrl.Scheme}://{app.App}--{app.Slug}{_appsSuffix}";

    /// <summary>
    /// What browsers treat as one site: the last two labels of a host, or three where country domains have a second level (ac.uk).
    /// Without the public suffix list this is an approximation, and errs on the side of refusing.
    /// </summary>
    private static string SiteOf(string host)
    {
        var labels = host.Split('.');
        var count = labels is [.., { Length: <= 3 }, { Length: 2 }] ? 3 : 2;
        return string.Join('.', labels.TakeLast(count));
    }
}
