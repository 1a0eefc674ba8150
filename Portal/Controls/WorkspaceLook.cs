using Portal.Core.Workspaces;

namespace Portal.Controls;

/// <summary>How a workspace's status is shown. Its word is the text <c>Status.…</c> of ControlTexts.</summary>
public static class WorkspaceLook
{
    public static StatusTone Tone(this WorkspaceStatus status) => status switch
    {
        WorkspaceStatus.Ready => StatusTone.Ready,
        WorkspaceStatus.Queued => StatusTone.Waiting,
        WorkspaceStatus.Starting or WorkspaceStatus.Resizing or WorkspaceStatus.Stopping or WorkspaceStatus.Deleting => StatusTone.Working,
        WorkspaceStatus.Attention => StatusTone.Attention,
        WorkspaceStatus.Failed => StatusTone.Failed,
        WorkspaceStatus.Stopped or WorkspaceStatus.Deleted => StatusTone.Stopped,
        _ => throw new ArgumentOutOfRangeException(nameof(status)),
    };

    /// <summary>Its apps can be opened.</summary>
    public static bool IsOpen(this WorkspaceStatus status) => status is WorkspaceStatus.Ready or WorkspaceStatus.Resizing;

    /// <summary>Something is in progress.</summary>
    public static bool IsMoving(this WorkspaceStatus status) =>
        status is WorkspaceStatus.Queued or WorkspaceStatus.Starting or WorkspaceStatus.Resizing or WorkspaceStatus.Stopping or WorkspaceStatus.Deleting;
}
