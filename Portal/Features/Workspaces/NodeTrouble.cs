using Microsoft.Extensions.Localization;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>What a person should know about nodes that are not running, in a sentence or two.</summary>
public static class NodeTrouble
{
    private const int Most = 3;

    /// <summary>Null while all are running, or while none has been seen yet.</summary>
    public static string? Say(WorkspaceView workspace, IStringLocalizer<WorkspaceTexts> text)
    {
        var lines = NodeLines.Of(workspace);
        var down = lines.Where(n => !n.Runs).ToList();
        if (down.Count == 0) return null;
        var workers = lines.Count(n => n.IsWorker);
        var names = string.Join(", ", down.Take(Most).Select(n => n.Name)) + (down.Count > Most ? " …" : "");
        string what = down switch
        {
            [{ IsWorker: true } one] => text["Down.Worker", one.Name, WhyOf(one, text)],
            _ when down.TrueForAll(n => n.IsWorker) => text["Down.Workers", down.Count, workers, names],
            [var one] => text["Down.Node", one.Name, WhyOf(one, text)],
            _ => text["Down.Nodes", names],
        };
        var goesOn = down.TrueForAll(n => n.IsWorker) && down.Count < workers;
        return $"{what} {text[goesOn ? "Down.GoesOn" : "Down.StartAgain"].Value}";
    }

    private static string WhyOf(NodeLine line, IStringLocalizer<WorkspaceTexts> text) => line.Seen switch
    {
        null => text["Down.Gone"],
        { OutOfMemoryKills: > 0 } => text["Down.OutOfMemory"],
        { ExitCode: { } code } => text["Down.Code", code],
        _ => "",
    };
}
