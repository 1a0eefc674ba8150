namespace Portal.Shell;

/// <summary>Texts of the frame: ShellTexts.resx.</summary>
public sealed class ShellTexts;
