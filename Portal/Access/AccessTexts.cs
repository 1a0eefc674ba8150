namespace Portal.Access;

/// <summary>Texts of signing in and out: AccessTexts.resx.</summary>
public sealed class AccessTexts;
