namespace Portal.Access;

public static class LocalUrl
{
    /// <summary>Only a path of this host: "/x" yes; "//host", "/\host", "https://host", "/[tab]host" no: then home.</summary>
    public static string OrHome(string? url) =>
        url is ['/', ..] && url is not ['/', '/' or '\\', ..] && !url.Any(char.IsControl) && Uri.IsWellFormedUriString(url, UriKind.Relative) ? url : "/";
}
