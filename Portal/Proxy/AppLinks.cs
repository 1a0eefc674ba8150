using System.Net;
using Portal.Access;
using Portal.Core.Access;

namespace Portal.Proxy;

/// <summary>
/// Rewrites links between the nodes of one workspace to the hosts of their apps: a page of one node names another as http://worker0:8042/…,
/// which no browser can resolve. Addresses that belong to no app of this workspace are left alone.
/// </summary>
public sealed class AppLinks(Site site, AppAccess access)
{
    /// <summary>Path under which a page's own scripts reach the other nodes of its workspace; see <see cref="AppProxy"/>.</summary>
    public const string Through = "/.portal/to";

    /// <summary>Precedes a full address, as in <c>/.portal/at/http://worker0:8042/node</c>, and redirects to it. For
    /// links built by scripts in the browser, which the proxy cannot rewrite.</summary>
    public const string At = "/.portal/at";

    private const int LongestName = 60, LongestPort = 5;

    /// <summary>There is something to link to, and the page belongs to a compute engine: a notebook's content belongs to its author.</summary>
    public bool Any => !access.Kernels && access.TokenApp is null && access.Links.Count > 1;

    /// <summary>Maximum length of text from "http:" to the end of a port.</summary>
    public const int Longest = 5 + 2 + LongestName + 1 + LongestPort;

    /// <summary>The app at a host and port of the workspace's own network; null for none.</summary>
    public AppLink? Find(string host, int port)
    {
        if (!access.Links.Any(l => l.Port == port)) return null;
        var address = IPAddress.TryParse(host, out var parsed) ? parsed.ToString() : null;
        bool Has(AppLink link) => string.Equals(link.Node, host, StringComparison.OrdinalIgnoreCase) || (address is not null && address == link.Address);
        return access.Links.FirstOrDefault(l => l.Port == port && Has(l));
    }

    public AppLink? Find(string app) => access.Links.FirstOrDefault(l => l.App == app);

    public string OriginOf(AppLink link) => site.AppOrigin(new(link.App, access.Slug));

    /// <summary>
    /// Where a redirect or link should lead instead; null to leave it. A browser's own navigation goes to the other app's host, a
    /// script's request stays on this one, because browsers send it no cookie of the other.
    /// </summary>
    public string? Lead(string? location, bool navigates)
    {
        if (!Any || location is null || location.Any(c => c is '\\' || c is < ' ' or '\u007f')) return null;
        var absolute = location.StartsWith("//", StringComparison.Ordinal) ? "http:" + location : location;
        if (!absolute.StartsWith("http://", StringComparison.OrdinalIgnoreCase)) return null;
        if (!Uri.TryCreate(absolute, UriKind.Absolute, out var url) || url.UserInfo.Length > 0) return null;
        if (Find(url.Host, url.Port) is not { } link) return null;
        // Exactly as it was written, because Uri may change it, especially bytes that are not ASCII.
        var rest = absolute["http://".Length..];
        rest = rest.IndexOfAny(['/', '?', '#']) is var end and >= 0 ? rest[end..] : "";
        if (!rest.StartsWith('/')) rest = "/" + rest;
        if (navigates || link.HasToken) return OriginOf(link) + rest;
        return $"{OriginOf(Find(access.App)!)}{Through}/{link.App}{rest.Split('#')[0]}";
    }

    /// <summary>Finds the end of a link, without its scheme, that begins with "//" at <paramref name="at"/>. Returns the app it names
    /// and the position after its port, which is negative if more text must be seen first.</summary>
    public (AppLink? Link, int End) Read(ReadOnlySpan<byte> text, int at, bool last)
    {
        var end = at + 2;
        while (end < text.Length && end - at - 2 <= LongestName && IsName(text[end])) end++;
        var host = text[(at + 2)..end];
        if (host.Length == 0 && end == text.Length && !last) return (null, -1);
        if (host.Length is 0 or > LongestName) return (null, end);
        var port = 80;
        if (end < text.Length && text[end] == ':')
        {
            var digits = ++end;
            while (end < text.Length && end - digits < LongestPort && char.IsAsciiDigit((char)text[end])) end++;
            if (end > digits
                && !int.TryParse(text[digits..end], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out port))
                return (null, end);
            if (end == digits && end < text.Length) return (null, end);
        }
        if (end == text.Length && !last) return (null, -1);
        // http://worker0:8042@elsewhere names the host "elsewhere".
        if (end < text.Length && (IsName(text[end]) || text[end] is (byte)'@' or (byte)':' or (byte)'%' or (byte)'_' or >= 0x80)) return (null, end);
        return (Find(System.Text.Encoding.ASCII.GetString(host), port), end);
    }

    private static bool IsName(byte b) => b is (byte)'.' or (byte)'-' || char.IsAsciiLetterOrDigit((char)b);
}
