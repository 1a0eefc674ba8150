using Portal.Access;

namespace Portal.Proxy;

/// <summary>Filters cookies by their raw text, split at semicolons as browsers do, quoted or not. What is let through is unchanged.</summary>
internal static class AppCookies
{
    /// <summary>A request's cookies without the portal's own; null if none is left.</summary>
    /// <param name="site">Knows the names of the portal's cookies.</param>
    public static string? ForApp(IEnumerable<string?> sent, Site site)
    {
        var all = string.Join("; ", sent.Where(s => !string.IsNullOrEmpty(s)));
        var parts = all.Split(';');
        var kept = Array.FindAll(parts, p => !IsOurs(NameOf(p), site));
        if (kept.Length == parts.Length) return all.Length > 0 ? all : null;
        var text = string.Join(';', kept).TrimStart(' ', '\t');
        return text.Length > 0 ? text : null;
    }

    /// <summary>A cookie that an app may set: one of its own, for its own host only.</summary>
    public static bool MaySet(string? cookie, Site site)
    {
        if (cookie is null) return false;
        var parts = cookie.Split(';');
        return !IsOurs(NameOf(parts[0]), site) && !parts.Skip(1).Any(a => NameOf(a).Equals("domain", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>The part before the equals sign. A cookie without a name is judged by its value, which servers read as a name.</summary>
    private static string NameOf(string part)
    {
        var text = part.Trim().TrimStart('=').TrimStart();
        return text.IndexOf('=', StringComparison.Ordinal) is var end and >= 0 ? text[..end].TrimEnd() : text;
    }

    private static bool IsOurs(string cookie, Site site) =>
        cookie.StartsWith("__Host-", StringComparison.OrdinalIgnoreCase) || cookie.StartsWith("__Secure-", StringComparison.OrdinalIgnoreCase)
        || cookie.StartsWith(".AspNetCore.", StringComparison.OrdinalIgnoreCase) || cookie.Equals(site.SessionCookie, StringComparison.OrdinalIgnoreCase);
}
