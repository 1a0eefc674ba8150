namespace Portal.Access;

/// <summary>Texts for signing in and out: AccessTexts.resx.</summary>
public sealed class AccessTexts;
