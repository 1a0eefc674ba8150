using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>What a person should know about scratch folders that are full or nearly so: which nodes, the consequence and the remedy.</summary>
public static class ScratchTrouble
{
    private const int Most = 3;

    /// <summary>One paragraph for full folders and one for nearly full ones; none while the workspace is not up.</summary>
    /// <param name="remedy">False if there is little space on the page: the workspace's page shows the remedy.</param>
    public static IReadOnlyList<string> Say(WorkspaceView workspace, IStringLocalizer<WorkspaceTexts> text, bool remedy = true) =>
        workspace.Status is not (WorkspaceStatus.Ready or WorkspaceStatus.Attention or WorkspaceStatus.Resizing) ? [] :
    [
        .. from folder in ScratchUse.Of(workspace)
           where folder.State is not ScratchState.Normal
           group folder by (folder.State, folder.Enforced) into alike
           orderby alike.Key.State descending
           let helps = alike.Select(f => f.Remedy ?? text["Scratch.Remedy"].Value).Distinct(StringComparer.Ordinal)
           select string.Join(' ', [What([.. alike], text), .. remedy ? helps : []]),
    ];

    private static string What(IReadOnlyList<ScratchView> folders, IStringLocalizer<WorkspaceTexts> text) => folders switch
    {
        [{ Enforced: false }, ..] => text["Scratch.Counted", Names(folders)],
        [var one] => text[$"Scratch.{one.State}", one.Node, Length.Bytes(one.UsedBytes ?? 0), Length.Bytes(one.LimitBytes)],
        _ => text[$"Scratch.{folders[0].State}Many", Names(folders)],
    };

    private static string Names(IReadOnlyList<ScratchView> folders) =>
        string.Join(", ", folders.Take(Most).Select(f => f.Node)) + (folders.Count > Most ? " …" : "");
}
