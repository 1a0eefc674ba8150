namespace Portal.Features.Home;

/// <summary>Which greeting to use.</summary>
public static class Daytime
{
    /// <param name="local">Time in the visitor's time zone.</param>
    public static string Of(DateTimeOffset local) => local.Hour switch { >= 5 and < 12 => "Morning", >= 12 and < 18 => "Afternoon", _ => "Evening" };
}
