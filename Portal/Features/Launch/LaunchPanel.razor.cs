using Microsoft.AspNetCore.Components;
using Portal.Core.Live;
using Portal.Core.Offers;
using Portal.Core.Policy;
using Portal.Core.Workspaces;
using Portal.Shell;

namespace Portal.Features.Launch;

/// <summary>The form with its preview: asks Core at every change what would happen, and places one order.</summary>
public sealed partial class LaunchPanel
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(5);

    private LaunchDraft? _draft;
    private IReadOnlyList<string> _leftOut = [];
    private Receipt? _receipt;
    private Refusal? _refusal;
    private WorkspaceView? _launched;
    private bool _busy;
    private int _previews;

    [Inject] private WorkspaceFeed Workspaces { get; set; } = null!;
    [Inject] private LaunchPreview Preview { get; set; } = null!;
    [Inject] private LaunchWorkspace Launch { get; set; } = null!;
    [Inject] private ClassChoice Choice { get; set; } = null!;
    [Inject] private ILogger<LaunchPanel> Log { get; set; } = null!;
    [Inject] private NavigationManager Navigation { get; set; } = null!;

    [Parameter, EditorRequired] public Guid Id { get; set; }
    [Parameter, EditorRequired] public required CatalogCard Card { get; set; }

    /// <summary>What the address asked for when the form was opened.</summary>
    [Parameter, EditorRequired] public required LaunchLink Link { get; set; }

    protected override object Key => (Id, Card.Spec.Id);

    private ClassView? Class => Current?.Classes.FirstOrDefault(c => c.Id == _draft?.ClassId);

    protected override async Task<Live<HomeView?>?> OpenAsync(CancellationToken cancel)
    {
        var actor = await ActorAsync();
        (_draft, _receipt, _refusal, _busy) = (null, null, null, false);
        _launched = await Workspaces.LookAsync(actor, Id, cancel);
        _ = LookAgainAsync(cancel);
        return await Workspaces.WatchStatesAsync(actor, cancel);
    }

    // Any change for this person, such as a workspace that ended, changes the preview.
    protected override async Task OnChangedAsync(HomeView current)
    {
        if (_draft is null && Choice.Of(current.Classes) is { } @class)
        {
            _leftOut = Link.LeftOut(Card.Spec, @class);
            _draft = LaunchDraft.Begin(Id, Card.Spec, @class, [.. current.Workspaces.Select(w => w.Name)], Link);
        }
        await RefreshReceiptAsync();
    }

    private async Task ChangeAsync(LaunchDraft draft)
    {
        var payer = Current!.Classes.First(c => c.Id == draft.ClassId);
        var lengths = LaunchDraft.HoursFor(payer.LongestHours);
        _draft = draft.Hours > lengths[^1] ? draft with { Hours = lengths[^1] } : draft;
        _refusal = null;
        Navigation.NavigateTo(LaunchLink.To(_draft, Card.Spec, payer), replace: true);
        await RefreshReceiptAsync();
    }

    private async Task RefreshReceiptAsync()
    {
        if (_draft is null || _launched is not null) return;
        var preview = ++_previews;
        var receipt = await Preview.RunAsync(await RequestAsync(_draft), Cancellation);
        if (preview == _previews) _receipt = receipt;
    }

    // Other people's starts and stops change limits too, and no notification for this person reports that.
    private async Task LookAgainAsync(CancellationToken cancel)
    {
        using var tick = new PeriodicTimer(Again, Clock);
        try
        {
            while (await tick.WaitForNextTickAsync(cancel))
                if ((_refusal ?? _receipt?.BindingLimit) is not null)
                    await InvokeAsync(RefreshLimitAsync);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The form was closed.
        }
    }

    private async Task RefreshLimitAsync()
    {
        try
        {
            await RefreshReceiptAsync();
            if (_receipt?.BindingLimit is null) _refusal = null;
            StateHasChanged();
        }
        catch (Exception fault) when (fault is not (OperationCanceledException or ObjectDisposedException))
        {
            Log.LogWarning(fault, "A receipt could not be read; the page keeps the last one.");
        }
    }

    private async Task LaunchAsync()
    {
        if (_draft is null || _busy) return;
        _busy = true;
        // The second click of a double click may arrive after the page was left: the form must still be busy then.
        var leaves = false;
        try
        {
            // Not bound to the page: an order that was sent is not withdrawn because a tab was closed.
            switch (await Launch.RunAsync(await RequestAsync(_draft), CancellationToken.None))
            {
                case LaunchOutcome.Accepted accepted:
                    leaves = true;
                    Navigation.NavigateTo($"workspaces/{accepted.Slug}");
                    break;
                case LaunchOutcome.Refused refused:
                    _refusal = refused.Why;
                    await RefreshReceiptAsync();
                    break;
            }
        }
        finally
        {
            _busy = leaves;
        }
    }

    private async Task<LaunchRequest> RequestAsync(LaunchDraft draft) =>
        new(draft.Id, await ActorAsync(), draft.ClassId, Card.Spec.Id, draft.SizeId, draft.Name.Trim(), default)
        {
            RunFor = TimeSpan.FromHours(draft.Hours),
            Workers = draft.Workers,
            Parameters = draft.Used(Card.Spec),
        };
}
