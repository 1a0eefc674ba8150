using Microsoft.AspNetCore.Http.Features;

namespace Portal.Proxy;

/// <summary>
/// The request target, byte for byte as it was sent. Servers distinguish /a%2Fb from /a/b, so an app's path and query are checked but never
/// decoded and rewritten.
/// </summary>
internal static class AppTarget
{
    /// <summary>Allowed in a request, but not in the link made from it.</summary>
    private const string NotInLinks = "\"<>\\^`{|}[]";

    /// <summary>Path and query of a request; null if it is not forwarded, see <see cref="Read"/>.</summary>
    public static string? Of(HttpContext http) => Read(http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);

    /// <summary>
    /// Null for anything that servers parse differently: dot segments, a fragment, control and non-ASCII bytes; and for a target without a path:
    /// a host alone (CONNECT) and "*".
    /// </summary>
    /// <param name="raw">The request target (RFC 9112 §3.2) in origin or absolute form. Kestrel has compared the host of the absolute form with Host.</param>
    public static string? Read(string raw)
    {
        if (!raw.All(c => c is > ' ' and < '\u007f' and not '#')) return null;
        var target = raw;
        if (!raw.StartsWith('/'))
        {
            if (!raw.StartsWith("http://", StringComparison.OrdinalIgnoreCase) && !raw.StartsWith("https://", StringComparison.OrdinalIgnoreCase)) return null;
            var rest = raw[(raw.IndexOf("//", StringComparison.Ordinal) + 2)..];
            target = rest.IndexOfAny(['/', '?']) is var at and >= 0 ? rest[at..] : "";
            if (!target.StartsWith('/')) target = "/" + target;
        }
        return PathOf(target).Split('/').Any(IsDots) ? null : target;
    }

    /// <summary>The full address to request, unchanged.</summary>
    /// <param name="prefix">Scheme, host and port.</param>
    public static Uri At(string prefix, string target) => new(prefix + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>The rest of a path after its first segments, query included; begins with a slash.</summary>
    public static string After(string target, int segments)
    {
        var path = PathOf(target);
        var at = 0;
        for (var i = 0; i < segments && at >= 0; i++) at = path.IndexOf('/', at + 1);
        return at < 0 ? "/" + target[path.Length..] : target[at..];
    }

    /// <summary>The same target in a form that a link may contain.</summary>
    public static string AsLink(string target) =>
        string.Concat(target.Select(c => NotInLinks.Contains(c, StringComparison.Ordinal) ? Uri.HexEscape(c) : c.ToString()));

    private static string PathOf(string target) => target.IndexOf('?', StringComparison.Ordinal) is var query and >= 0 ? target[..query] : target;

    private static bool IsDots(string segment) => segment.Replace("%2e", ".", StringComparison.OrdinalIgnoreCase) is "." or "..";
}
