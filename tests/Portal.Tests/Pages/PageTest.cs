using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using MudBlazor;
using MudBlazor.Services;
using Portal.Controls;

namespace Portal.Tests.Pages;

/// <summary>
/// A context in which our components render: MudBlazor's services, texts, a clock fixed at <see cref="Now"/>, and one of each provider.
/// Query the providers for what appears outside the component under test (menus, dialogs, messages).
/// </summary>
public abstract class PageTest : BunitContext, IAsyncLifetime
{
    public static readonly DateTimeOffset Now = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    protected FakeTimeProvider Clock { get; } = new(Now);
    protected IRenderedComponent<MudPopoverProvider> Popovers { get; private set; } = null!;
    protected IRenderedComponent<MudDialogProvider> Dialogs { get; private set; } = null!;
    protected IRenderedComponent<MessageList> MessageList { get; private set; } = null!;

    public ValueTask InitializeAsync()
    {
        JSInterop.Mode = JSRuntimeMode.Loose;
        Services.AddMudServices();
        Services.AddLocalization();
        Services.AddSingleton<TimeProvider>(Clock);
        Services.AddScoped<Heartbeat>().AddScoped<Messages>().AddScoped<Announcements>();
        Popovers = Render<MudPopoverProvider>();
        Dialogs = Render<MudDialogProvider>();
        MessageList = Render<MessageList>();
        return ValueTask.CompletedTask;
    }

    // MudBlazor's services can only be disposed asynchronously.
    async ValueTask IAsyncDisposable.DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
    }
}
