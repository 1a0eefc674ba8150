namespace Portal.Features.Launch;

/// <summary>Texts of this feature: LaunchTexts.resx.</summary>
public sealed class LaunchTexts;
