using Bunit;
using Microsoft.AspNetCore.Components.Rendering;
using Portal.Controls;
using Portal.Core.Live;

namespace Portal.Tests.Pages;

/// <summary>What a live view holds, and what it releases.</summary>
public sealed class LiveComponentTests : PageTest
{
    [Fact]
    public async Task TryAgain_EachTime_LetsTheWatcherBeforeGo()
    {
        var view = Render<Probe>();
        var opened = view.Instance.Opened;
        for (var click = 0; click < 3; click++) await view.InvokeAsync(view.Instance.AgainAsync);

        opened.Count.ShouldBe(4);
        opened.Count(t => !t.IsCancellationRequested).ShouldBe(1);
        opened[^1].IsCancellationRequested.ShouldBeFalse();
        view.Markup.ShouldBe("value 4");
        await DisposeComponentsAsync();
        opened.ShouldAllBe(t => t.IsCancellationRequested);
    }

    [Fact]
    public async Task TryAgain_AfterAFault_ShowsTheValue()
    {
        var view = Render<Probe>(p => p.Add(x => x.Fails, 1));
        view.Markup.ShouldBe("fault");

        await view.InvokeAsync(view.Instance.AgainAsync);

        view.Markup.ShouldBe("value 2");
    }

    public sealed class Probe : LiveComponent<string>
    {
        [Microsoft.AspNetCore.Components.Parameter] public int Fails { get; set; }
        public IList<CancellationToken> Opened { get; } = new List<CancellationToken>();

        // As a click does: the component that handles it is rendered again.
        public async Task AgainAsync()
        {
            await TryAgainAsync();
            StateHasChanged();
        }

        protected override Task<Live<string?>?> OpenAsync(CancellationToken cancel)
        {
            Opened.Add(cancel);
            return Opened.Count <= Fails
                ? Task.FromException<Live<string?>?>(new IOException("away"))
                : Task.FromResult<Live<string?>?>(new($"value {Opened.Count}", Never(cancel)));
        }

        protected override void BuildRenderTree(RenderTreeBuilder builder) => builder.AddContent(0, Fault is null ? Current : "fault");

        private static async IAsyncEnumerable<string?> Never([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
        {
            var never = new TaskCompletionSource();
            await using var end = cancel.Register(() => never.TrySetCanceled(cancel));
            await never.Task;
            yield break;
        }
    }
}
