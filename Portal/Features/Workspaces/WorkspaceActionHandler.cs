using Microsoft.Extensions.Localization;
using MudBlazor;
using Portal.Controls;
using Portal.Core.People;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>Asks for confirmation if something would be lost, calls the verb, and reports the outcome. Used by every page that shows a workspace.</summary>
public sealed class WorkspaceActionHandler(
    StopWorkspace stop, StartWorkspace start, StartPreview preview, ExtendWorkspace extend, KeepWorkspace keep, ResizeWorkspace resize, DeleteWorkspace delete,
    IDialogService dialogs, Messages messages, IStringLocalizer<WorkspaceTexts> text, IStringLocalizer<ControlTexts> common)
{
    public async Task DoAsync(Actor actor, WorkspaceView workspace, WorkspaceAsk ask)
    {
        if (!await SureAsync(workspace, ask.Act)) return;
        var changes = ask.Act switch
        {
            WorkspaceAct.StartOtherwise => await StartDialog.AskAsync(dialogs, workspace,
                (size, newest) => preview.RunAsync(actor, workspace.Id, size, newest, CancellationToken.None)),
            WorkspaceAct.StartNewest => new(NewestVersion: true),
            WorkspaceAct.StartWithoutSettings => new(WithoutSettings: true),
            _ => new StartChanges(ask.EndAt),
        };
        if (changes is null) return;
        var workers = ask.Act is WorkspaceAct.Resize
            ? ask.Workers ?? await ResizeDialog.AskAsync(dialogs, text["Resize.Title", workspace.Name], actor, workspace)
            : workspace.Workers;
        if (workers is not { } number) return;
        // The person may leave the page while the order is being placed, which must not withdraw it.
        var outcome = ask.Act switch
        {
            WorkspaceAct.Start or WorkspaceAct.TryAgain or WorkspaceAct.StartNewest or WorkspaceAct.StartOtherwise or WorkspaceAct.StartWithoutSettings =>
                await start.RunAsync(actor, workspace.Id, changes, CancellationToken.None),
            WorkspaceAct.Stop or WorkspaceAct.Cancel => await stop.RunAsync(actor, workspace.Id, CancellationToken.None),
            WorkspaceAct.Extend when ask.EndAt is { } end => await extend.RunAsync(actor, workspace.Id, end, CancellationToken.None),
            WorkspaceAct.Keep => await keep.RunAsync(actor, workspace.Id, ask.Hours, CancellationToken.None),
            WorkspaceAct.Resize or WorkspaceAct.TakeBack => await resize.RunAsync(actor, workspace.Id, number, CancellationToken.None),
            WorkspaceAct.Delete => await delete.RunAsync(actor, workspace.Id, CancellationToken.None),
            _ => throw new ArgumentOutOfRangeException(nameof(ask)),
        };
        messages.Say(Says(outcome, workspace, ask.Act), warns: outcome is ChangeOutcome.Refused or ChangeOutcome.NotFound);
    }

    private Task<bool> SureAsync(WorkspaceView w, WorkspaceAct act) => act switch
    {
        WorkspaceAct.Stop => AskAsync("Stop", w, destructive: false),
        // All nodes are recreated, including the healthy ones.
        WorkspaceAct.TryAgain or WorkspaceAct.StartWithoutSettings when w.Status is WorkspaceStatus.Attention => AskAsync("TryAgain", w, destructive: false),
        WorkspaceAct.Delete => AskAsync("Delete", w, destructive: true),
        _ => Task.FromResult(true),
    };

    private Task<bool> AskAsync(string what, WorkspaceView w, bool destructive) => Confirm.AskAsync(
        dialogs, text[$"{what}.Title", w.Name], text[$"{what}.Lost"],
        text[$"{what}.Kept", w.ClassTitle, w.Folder.UsedBytes >= 1 << 20 ? $" ({Length.Bytes(w.Folder.UsedBytes)})" : ""],
        text[$"{what}.Act", w.Name], destructive);

    private string Says(ChangeOutcome outcome, WorkspaceView w, WorkspaceAct act) => outcome switch
    {
        ChangeOutcome.Accepted => text[$"Done.{act}", w.Name],
        ChangeOutcome.Already => text["Done.Already", w.Name],
        ChangeOutcome.NotFound => text["Refused.NotFound", w.Name],
        ChangeOutcome.Refused { Why: ChangeRefusal.OverQuota, Quota: { } quota } =>
            act is WorkspaceAct.Resize or WorkspaceAct.TakeBack ? RefusalText.OfResize(quota, text) : RefusalText.OfStart(quota, w, text, common),
        ChangeOutcome.Refused refused => text[$"Refused.{refused.Why}", w.Name],
        _ => throw new ArgumentOutOfRangeException(nameof(outcome)),
    };
}
