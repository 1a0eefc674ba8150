using Microsoft.AspNetCore.Http.Features;

namespace Portal.Proxy;

/// <summary>
/// What a request asks for, byte for byte as it was sent. Servers tell /a%2Fb from /a/b, so an app's path and query are checked and never
/// decoded and written again.
/// </summary>
internal static class AppTarget
{
    /// <summary>Allowed in a request, and not in the link that it becomes.</summary>
    private const string NotInLinks = "\"<>\\^`{|}[]";

    /// <summary>Path and query of a request; null for what is not forwarded, see <see cref="Read"/>.</summary>
    public static string? Of(HttpContext http) => Read(http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);

    /// <summary>
    /// Null for what servers read each in their own way: dot segments, a fragment, control and non-ASCII bytes; and for what names no path:
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

    /// <summary>Where it is asked for, unchanged.</summary>
    /// <param name="prefix">Scheme, host and port.</param>
    public static Uri At(string prefix, string target) => new(prefix + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>What follows the first segments of a path, query included; begins with a slash.</summary>
    public static string After(string target, int segments)
    {
        var path = PathOf(target);
        var at = 0;
        for (var i = 0; i < segments && at >= 0; i++) at = path.IndexOf('/', at + 1);
        return at < 0 ? "/" + target[path.Length..] : target[at..];
    }

    /// <summary>The same target as a link may carry it.</summary>
    public static string AsLink(string target) =>
        string.Concat(target.Select(c => NotInLinks.Contains(c, StringComparison.Ordinal) ? Uri.HexEscape(c) : c.ToString()));

    private static string PathOf(string target) => target.IndexOf('?', StringComparison.Ordinal) is var query and >= 0 ? target[..query] : target;

    private static bool IsDots(string segment) => segment.Replace("%2e", ".", StringComparison.OrdinalIgnoreCase) is "." or "..";
}
