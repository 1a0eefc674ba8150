using Microsoft.AspNetCore.Components;

namespace Portal.Controls;

/// <summary>A component whose text depends on the time. Renders on a tick only if <see cref="DisplayText"/> changed.</summary>
public abstract class BeatingComponent : ComponentBase, IDisposable
{
    private IDisposable? _beat;
    private string? _shown;

    [Inject] protected Heartbeat Heart { get; set; } = null!;
    [CascadingParameter] protected VisitorTime Time { get; set; } = VisitorTime.Utc;

    protected DateTimeOffset Now => Heart.Now;

    /// <summary>Everything in this component that depends on the time, as one string.</summary>
    protected abstract string DisplayText { get; }

    /// <summary>False if time changes nothing, as in a list of finished steps.</summary>
    protected virtual bool Beats => true;

    protected override void OnParametersSet()
    {
        _shown = DisplayText;
        if (Beats) _beat ??= Heart.Listen(() => _ = InvokeAsync(Beat));
        else Rest();
    }

    private void Beat()
    {
        if (_beat is null || DisplayText == _shown) return;
        _shown = DisplayText;
        StateHasChanged();
    }

    private void Rest()
    {
        _beat?.Dispose();
        _beat = null;
    }

    public void Dispose()
    {
        Rest();
        GC.SuppressFinalize(this);
    }
}
