namespace Portal.Features.Home;

/// <summary>Which greeting fits.</summary>
public static class Daytime
{
    /// <param name="local">By the visitor's own clock.</param>
    public static string Of(DateTimeOffset local) => local.Hour switch { >= 5 and < 12 => "Morning", >= 12 and < 18 => "Afternoon", _ => "Evening" };
}
