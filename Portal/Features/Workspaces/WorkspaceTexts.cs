namespace Portal.Features.Workspaces;

/// <summary>Texts of this feature: WorkspaceTexts.resx.</summary>
public sealed class WorkspaceTexts;
