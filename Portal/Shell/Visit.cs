namespace Portal.Shell;

/// <summary>A person's choices as the browser sent them in cookies. Used only for appearance.</summary>
/// <param name="Theme">light, dark or system.</param>
/// <param name="Zone">The visitor's time zone; UTC until the browser has sent it.</param>
/// <param name="Class">The class that was chosen last, by id; null for none.</param>
public sealed record Visit(string Theme, TimeZoneInfo Zone, Guid? Class)
{
    public static readonly Visit Unknown = new("system", TimeZoneInfo.Utc, null);

    /// <summary>Invalid values count as missing.</summary>
    public static Visit From(string? theme, string? zone, string? classChoice) => new(
        theme is "light" or "dark" ? theme : "system",
        ZoneOf(zone),
        Guid.TryParse(classChoice, out var id) ? id : null);

    /// <summary>An IANA name, as browsers report it, percent-encoded in the cookie.</summary>
    public static TimeZoneInfo ZoneOf(string? name) =>
        !string.IsNullOrEmpty(name) && TimeZoneInfo.TryFindSystemTimeZoneById(Uri.UnescapeDataString(name), out var zone) ? zone : TimeZoneInfo.Utc;
}
