using Microsoft.AspNetCore.Components;
using Portal.Core.Live;

namespace Portal.Controls;

/// <summary>
/// A component that shows a live value. It owns the token, the fault and the goodbye, and draws at most four times a
/// second: the first change at once, further ones together. Missed steps never matter, because each value is whole.
/// </summary>
public abstract class LiveComponent<T> : ComponentBase, IAsyncDisposable
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(250);
    private CancellationTokenSource _goodbye = new();
    private object? _key;

    [Inject] private TimeProvider Clock { get; set; } = null!;
    [Inject] private ILoggerFactory Logs { get; set; } = null!;

    protected T? Current { get; private set; }

    /// <summary>What went wrong; the value, if there is one, is the last that was seen.</summary>
    protected Exception? Fault { get; private set; }
    protected bool Loading => Current is null && Fault is null;

    /// <summary>What is watched, such as an id from the address. When it changes, watching starts again.</summary>
    protected virtual object Key => "";

    protected abstract Task<Live<T>> OpenAsync(CancellationToken goodbye);

    /// <summary>Called on the renderer's thread before each draw, for what must be worked out once per change.</summary>
    protected virtual void OnChanged(T current) { }

    protected override async Task OnParametersSetAsync()
    {
        if (Equals(_key, Key)) return;
        if (_key is not null)
        {
            await _goodbye.CancelAsync();
            _goodbye.Dispose();
            _goodbye = new();
            (Current, Fault) = (default, null);
        }
        _key = Key;
        await BeginAsync();
    }

    /// <summary>Looks again after a fault.</summary>
    protected Task TryAgainAsync()
    {
        Fault = null;
        return BeginAsync();
    }

    private async Task BeginAsync()
    {
        var goodbye = _goodbye.Token;
        try
        {
            var live = await OpenAsync(goodbye);
            if (goodbye.IsCancellationRequested) return;
            Take(live.Now);
            _ = WatchAsync(live.Later, goodbye);
        }
        catch (OperationCanceledException) when (goodbye.IsCancellationRequested)
        {
            // The page was left while it loaded.
        }
        catch (Exception fault)
        {
            Report(fault);
        }
    }

    private async Task WatchAsync(IAsyncEnumerable<T> later, CancellationToken goodbye)
    {
        try
        {
            await foreach (var next in later.WithCancellation(goodbye))
            {
                await InvokeAsync(() => { Take(next); StateHasChanged(); });
                await Task.Delay(Pace, Clock, goodbye);
            }
        }
        catch (OperationCanceledException) when (goodbye.IsCancellationRequested)
        {
            // The page was left.
        }
        catch (Exception fault)
        {
            await InvokeAsync(() => { Report(fault); StateHasChanged(); });
        }
    }

    private void Take(T next)
    {
        Current = next;
        OnChanged(next);
    }

    private void Report(Exception fault)
    {
        Fault = fault;
        Logs.CreateLogger(GetType()).LogWarning(fault, "A live view stopped.");
    }

    public async ValueTask DisposeAsync()
    {
        await _goodbye.CancelAsync();
        _goodbye.Dispose();
        GC.SuppressFinalize(this);
    }
}
