using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Controls;
using Portal.Shell;

namespace Portal.Tests.Pages;

/// <summary>Dialogs are rendered outside the page; a failure in one must not end the whole visit.</summary>
public sealed class DialogTests : PageTest
{
    [Fact]
    public async Task Dialog_ThatFails_GoesWithWordsAndTheNextOneOpens()
    {
        await DisposeComponentsAsync();
        var messages = Render<MessageList>();
        var boundary = Render<DialogBoundary>(p => p.AddChildContent<MudDialogProvider>());
        var dialogs = Services.GetRequiredService<IDialogService>();

        await boundary.InvokeAsync(() => dialogs.ShowAsync<Failing>("fails"));
        await boundary.WaitForAssertionAsync(() => boundary.FindAll("#fails").Count.ShouldBe(1));
        await boundary.Find("#fails").ClickAsync();

        await messages.WaitForAssertionAsync(() => messages.Markup.ShouldContain("This dialog could not be shown."));
        boundary.FindAll("#fails").ShouldBeEmpty();
        await boundary.InvokeAsync(() => dialogs.ShowAsync<Failing>("again"));
        await boundary.WaitForAssertionAsync(() => boundary.FindAll("#fails").Count.ShouldBe(1));
    }

    [Fact]
    public async Task Dialog_WhileTheDatabaseIsUnavailable_SaysThat()
    {
        await DisposeComponentsAsync();
        var messages = Render<MessageList>();
        var boundary = Render<DialogBoundary>(p => p.AddChildContent<MudDialogProvider>());
        var dialogs = Services.GetRequiredService<IDialogService>();
        var parameters = new DialogParameters<Failing> { { f => f.Fault, new Npgsql.NpgsqlException("cut", new IOException("cut")) } };
        await boundary.InvokeAsync(() => dialogs.ShowAsync<Failing>("fails", parameters));
        await boundary.WaitForAssertionAsync(() => boundary.FindAll("#fails").Count.ShouldBe(1));

        await boundary.Find("#fails").ClickAsync();

        await messages.WaitForAssertionAsync(() => messages.Markup.ShouldContain("The portal cannot reach its database at the moment."));
    }

    private sealed class Failing : ComponentBase
    {
        [Parameter] public Exception Fault { get; set; } = new TimeoutException("The portal's own.");


        protected override void BuildRenderTree(RenderTreeBuilder builder)
        {
            builder.OpenComponent<MudDialog>(0);
            builder.AddComponentParameter(1, nameof(MudDialog.DialogContent), (RenderFragment)(content =>
            {
                content.OpenElement(0, "button");
                content.AddAttribute(1, "id", "fails");
                content.AddAttribute(2, "onclick", EventCallback.Factory.Create<MouseEventArgs>(this, () => throw Fault));
                content.CloseElement();
            }));
            builder.CloseComponent();
        }
    }
}
