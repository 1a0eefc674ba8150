using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Portal.Access;
using Portal.Core.Live;
using Portal.Core.People;

namespace Portal.Controls;

/// <summary>
/// A component that shows a live value. It owns the cancellation token and the fault, and renders at most four times a
/// second: the first change immediately, later ones together. Skipped values never matter, because each is complete.
/// </summary>
public abstract class LiveComponent<T> : ComponentBase, IAsyncDisposable where T : class
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(250);
    private CancellationTokenSource _cancellation = new();
    private object? _key;

    [Inject] protected TimeProvider Clock { get; set; } = null!;
    [Inject] private ILoggerFactory Logs { get; set; } = null!;
    [CascadingParameter] protected Task<AuthenticationState>? SignedIn { get; set; }

    /// <summary>The newest value; null while loading, if there is none, and after a fault at the first read.</summary>
    protected T? Current { get; private set; }

    /// <summary>What went wrong; the value, if there is one, is the last that was seen.</summary>
    protected Exception? Fault { get; private set; }

    /// <summary>There is nothing (any more), or nothing this person may see.</summary>
    protected bool Missing { get; private set; }
    protected bool Loading => Current is null && Fault is null && !Missing;

    /// <summary>Cancelled when this component is disposed or shows something else.</summary>
    protected CancellationToken Cancellation => _cancellation.Token;

    /// <summary>What is watched, such as an id from the address. When it changes, watching starts again.</summary>
    protected virtual object Key => "";

    /// <summary>Null if there is nothing this person may see.</summary>
    protected abstract Task<Live<T?>?> OpenAsync(CancellationToken cancel);

    /// <summary>Called on the renderer's thread before each render, for what must be computed once per change.</summary>
    protected virtual Task OnChangedAsync(T current) => Task.CompletedTask;

    /// <summary>The signed-in person.</summary>
    protected async Task<Actor> ActorAsync() => (await SignedIn!).User.Actor();

    protected override async Task OnParametersSetAsync()
    {
        if (Equals(_key, Key)) return;
        _key = Key;
        await TryAgainAsync();
    }

    /// <summary>Starts over, as after a fault. The previous subscription is cancelled first.</summary>
    protected async Task TryAgainAsync()
    {
        var before = _cancellation;
        _cancellation = new();
        await before.CancelAsync();
        before.Dispose();
        (Current, Fault, Missing) = (null, null, false);
        var cancel = _cancellation.Token;
        try
        {
            var live = await OpenAsync(cancel);
            if (cancel.IsCancellationRequested) return;
            await TakeAsync(live?.Now);
            if (live is not null) _ = WatchAsync(live.Later, cancel);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The page was closed while it was loading.
        }
        catch (Exception fault)
        {
            Report(fault);
        }
    }

    private async Task WatchAsync(IAsyncEnumerable<T?> later, CancellationToken cancel)
    {
        try
        {
            await foreach (var next in later.WithCancellation(cancel))
            {
                await InvokeAsync(async () => { await TakeAsync(next); StateHasChanged(); });
                await Task.Delay(Pace, Clock, cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The page was closed.
        }
        catch (Exception fault)
        {
            await InvokeAsync(() => { Report(fault); StateHasChanged(); });
        }
    }

    private Task TakeAsync(T? next)
    {
        (Current, Missing) = (next, next is null);
        return next is null ? Task.CompletedTask : OnChangedAsync(next);
    }

    private void Report(Exception fault)
    {
        Fault = fault;
        Logs.CreateLogger(GetType()).LogWarning(fault, "A live view stopped.");
    }

    /// <summary>Disposes what a derived component holds; Blazor calls no other dispose method if there is an asynchronous one.</summary>
    protected virtual void OnLeave() { }

    public async ValueTask DisposeAsync()
    {
        OnLeave();
        await _cancellation.CancelAsync();
        _cancellation.Dispose();
        GC.SuppressFinalize(this);
    }
}
