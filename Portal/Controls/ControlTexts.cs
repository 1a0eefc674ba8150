namespace Portal.Controls;

/// <summary>Texts of the controls that several features share: ControlTexts.resx.</summary>
public sealed class ControlTexts;
