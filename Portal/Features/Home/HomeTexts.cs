namespace Portal.Features.Home;

/// <summary>Texts of this feature: HomeTexts.resx.</summary>
public sealed class HomeTexts;
