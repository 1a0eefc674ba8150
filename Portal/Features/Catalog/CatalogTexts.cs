namespace Portal.Features.Catalog;

/// <summary>Texts of this feature: CatalogTexts.resx.</summary>
public sealed class CatalogTexts;
