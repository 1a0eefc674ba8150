using MudBlazor;

namespace Portal.Shell;

/// <summary>Somewhere to go: in the rail, in the bottom bar and in the command search.</summary>
/// <param name="Key">Name of its text in ShellTexts.</param>
/// <param name="Role">Role that it is for; null for everybody who is signed in.</param>
public sealed record Place(string Key, string Href, string Icon, string? Role = null)
{
    public static readonly IReadOnlyList<Place> All =
    [
        new("Place.Home", "", Icons.Material.Rounded.Home),
        new("Place.Catalog", "catalog", Icons.Material.Rounded.RocketLaunch),
        new("Place.Operations", "operations", Icons.Material.Rounded.MonitorHeart, "operator"),
    ];
}
