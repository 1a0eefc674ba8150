using Microsoft.Extensions.Localization;
using Portal.Core.Workspaces;

namespace Portal.Shell;

/// <summary>Announcements about workspaces, wherever on the site their owner is: by workspace id, empty while there is nothing to say.</summary>
public static class StatusText
{
    public static IReadOnlyDictionary<Guid, string> Of(IEnumerable<WorkspaceView> workspaces, IStringLocalizer<ShellTexts> text) =>
        workspaces.ToDictionary(w => w.Id, w => Of(w, text));

    private static string Of(WorkspaceView workspace, IStringLocalizer<ShellTexts> text) => workspace switch
    {
        // A launch that starts immediately is not waiting.
        { Status: WorkspaceStatus.Queued, Queue: { WaitsFor: not null } queue } => text["Heard.Queued", workspace.Name, queue.Place],
        { Status: WorkspaceStatus.Ready or WorkspaceStatus.Failed or WorkspaceStatus.Attention or WorkspaceStatus.Stopped } =>
            text[$"Heard.{workspace.Status}", workspace.Name],
        _ => "",
    };
}
