using MudBlazor;

namespace Portal.Shell;

/// <summary>A destination in the rail, the bottom bar and the command search.</summary>
/// <param name="Key">Name of its text in ShellTexts.</param>
public sealed record Place(string Key, string Href, string Icon)
{
    private static readonly Place[] Everybody =
    [
        new("Place.Home", "", Icons.Material.Rounded.Home),
        new("Place.Catalog", "catalog", Icons.Material.Rounded.RocketLaunch),
    ];

    private static readonly Place[] Operators = [.. Everybody, new("Place.Operations", "operations", Icons.Material.Rounded.MonitorHeart)];

    public static IReadOnlyList<Place> For(bool maySeeOperations) => maySeeOperations ? Operators : Everybody;
}
