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
    public async Task DoAsync(Actor actor, WorkspaceView workspace, WorkspaceActionRequest request)
    {
        if (!await SureAsync(workspace, request.Action)) return;
        var changes = request.Action switch
        {
            WorkspaceAction.StartOtherwise => await StartDialog.ShowAsync(dialogs, workspace,
                (size, newest) => preview.RunAsync(actor, workspace.Id, size, newest, CancellationToken.None)),
            WorkspaceAction.StartNewest => new(NewestVersion: true),
            WorkspaceAction.StartWithoutSettings => new(WithoutSettings: true),
            _ => new StartChanges(request.EndAt),
        };
        if (changes is null) return;
        var workers = request.Action is WorkspaceAction.Resize
            ? request.Workers ?? await ResizeDialog.ShowAsync(dialogs, text["Resize.Title", workspace.Name], actor, workspace)
            : workspace.Workers;
        if (workers is not { } number) return;
        // The person may leave the page while the order is being placed, which must not withdraw it.
        var outcome = request.Action switch
        {
            WorkspaceAction.Start or WorkspaceAction.TryAgain or WorkspaceAction.StartNewest or WorkspaceAction.StartOtherwise
                or WorkspaceAction.StartWithoutSettings =>
                await start.RunAsync(actor, workspace.Id, changes, CancellationToken.None),
            WorkspaceAction.Stop or WorkspaceAction.Cancel => await stop.RunAsync(actor, workspace.Id, CancellationToken.None),
            WorkspaceAction.Extend when request.EndAt is { } end => await extend.RunAsync(actor, workspace.Id, end, CancellationToken.None),
            WorkspaceAction.Keep => await keep.RunAsync(actor, workspace.Id, request.Hours, CancellationToken.None),
            WorkspaceAction.Resize or WorkspaceAction.TakeBack => await resize.RunAsync(actor, workspace.Id, number, CancellationToken.None),
            WorkspaceAction.Delete => await delete.RunAsync(actor, workspace.Id, CancellationToken.None),
            _ => throw new ArgumentOutOfRangeException(nameof(request)),
        };
        messages.Say(OutcomeText(outcome, workspace, request.Action), warns: outcome is ChangeOutcome.Refused or ChangeOutcome.NotFound);
    }

    private Task<bool> SureAsync(WorkspaceView w, WorkspaceAction action) => action switch
    {
        WorkspaceAction.Stop => ConfirmAsync("Stop", w, destructive: false),
        // All nodes are recreated, including the healthy ones.
        WorkspaceAction.TryAgain or WorkspaceAction.StartWithoutSettings when w.Status is WorkspaceStatus.Attention =>
            ConfirmAsync("TryAgain", w, destructive: false),
        WorkspaceAction.Delete => ConfirmAsync("Delete", w, destructive: true),
        _ => Task.FromResult(true),
    };

    private Task<bool> ConfirmAsync(string what, WorkspaceView w, bool destructive) => Confirm.ShowAsync(
        dialogs, text[$"{what}.Title", w.Name], text[$"{what}.Lost"],
        text[$"{what}.Kept", w.ClassTitle, w.Folder.UsedBytes is >= 1 << 20 and var used ? $" ({Length.Bytes(used)})" : ""],
        text[$"{what}.Action", w.Name], destructive);

    private string OutcomeText(ChangeOutcome outcome, WorkspaceView w, WorkspaceAction action) => outcome switch
    {
        ChangeOutcome.Accepted => text[$"Done.{action}", w.Name],
        ChangeOutcome.Already => text["Done.Already", w.Name],
        ChangeOutcome.NotFound => text["Refused.NotFound", w.Name],
        ChangeOutcome.Refused { Why: ChangeRefusal.OverQuota, Quota: { } quota } =>
            action is WorkspaceAction.Resize or WorkspaceAction.TakeBack ? RefusalText.OfResize(quota, text) : RefusalText.OfStart(quota, w, text, common),
        ChangeOutcome.Refused refused => text[$"Refused.{refused.Why}", w.Name],
        _ => throw new ArgumentOutOfRangeException(nameof(outcome)),
    };
}
