namespace Portal.Access;

public static class LocalUrl
{
    /// <summary>Accepts only a path of this host: "/x" but not "//host", "/\host", "https://host" or "/[tab]host"; otherwise home.</summary>
    public static string OrHome(string? url) =>
        url is ['/', ..] && url is not ['/', '/' or '\\', ..] && !url.Any(char.IsControl) && Uri.IsWellFormedUriString(url, UriKind.Relative) ? url : "/";
}
