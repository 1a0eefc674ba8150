using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Portal.Shell;

/// <summary>
/// After a navigation the focus moves to the new page's title, so that a screen reader starts there. The first page of a visit
/// is left alone, so that the first Tab reaches the skip link. (Blazor's own FocusOnNavigate moves the focus there too.)
/// </summary>
public sealed class FocusTitle : ComponentBase
{
    private string? _shown;
    private bool _focus;

    [Inject] private IJSRuntime Js { get; set; } = null!;
    [Parameter, EditorRequired] public required Microsoft.AspNetCore.Components.RouteData RouteData { get; set; }

    protected override void OnParametersSet()
    {
        var values = RouteData.RouteValues.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => $"{v.Key}={v.Value}");
        var now = $"{RouteData.PageType} {string.Join(' ', values)}";
        _focus = _shown is not null && _shown != now;
        _shown = now;
    }

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!_focus) return;
        _focus = false;
        await Js.InvokeVoidAsync("portal.focusTitle");
    }
}
