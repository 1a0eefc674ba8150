namespace Portal.Features.Operations;

/// <summary>Texts of this feature: OperationsTexts.resx.</summary>
public sealed class OperationsTexts;
