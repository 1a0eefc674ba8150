namespace Portal.Features.Templates;

/// <summary>Texts of this feature: TemplatesTexts.resx.</summary>
public sealed class TemplatesTexts;
