using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>Pages that lose the portal, or are in the background, recover automatically.</summary>
public sealed class Reconnecting(Site site)
{
    [Fact]
    public async Task Web_EndsAndComesBack_PageJoinsAgainWithItsForm()
    {
        Assert.SkipUnless(Site.MayCrash, "PORTAL_STATE is not set: this test may not end the web.");
        await using var visit = await site.VisitAsync("Grace Hopper");
        var form = await LaunchPage.OpenAsync(visit);
        await form.ChooseSizeAsync("Medium");
        await form.CallItAsync("survivor");

        Site.CrashWeb();
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToContainTextAsync("Reconnecting");

        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0, new() { Timeout = 60_000 });
        await visit.WaitUntilLiveAsync();
        await Expect(form.Name).ToHaveValueAsync("survivor");
        await Expect(visit.Page.GetByRole(AriaRole.Radio, new() { Name = "Medium" })).ToBeCheckedAsync();
    }

    [Fact]
    public async Task Web_EndsWhileANotebookIsOpen_TheSameTabAndKernelComputeAgain()
    {
        Assert.SkipUnless(Site.MayCrash, "PORTAL_STATE is not set: this test may not end the web.");
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync("Alan Turing");
        await new HomePage(alan).ClearAsync();
        var page = await (await LaunchPage.OpenAsync(alan, "?size=s&name=survivor")).LaunchAsync();
        await page.WaitForStatusAsync("Ready");
        var lab = await page.OpenLabAsync();
        await lab.ForgetLayoutAsync();
        await lab.NewNotebookAsync();
        await lab.ComputeAsync("a = 40; a + 1", "41");
        await lab.Tab.EvaluateAsync("() => { window.neverReloaded = true; }");

        Site.CrashWeb();
        await lab.WaitUntilCutAsync();

        await lab.RunAsync("a + 2", "42");
        (await lab.Tab.EvaluateAsync<bool>("() => window.neverReloaded === true")).ShouldBeTrue();
        await lab.Tab.CloseAsync();
        await page.WaitForStatusAsync("Ready");
        await page.DeleteAsync("survivor");
        await page.WaitForStatusAsync("Deleted");
    }

    [Fact]
    public async Task Tab_HiddenForLong_SleepsAndWakesWhenSeen()
    {
        await using var visit = await site.VisitAsync("Grace Hopper");
        await visit.Page.Clock.InstallAsync();
        await visit.ShowAsync("/catalog");

        await SetVisibleAsync(visit.Page, false);
        await visit.Page.Clock.FastForwardAsync(121_000);
        await Expect(visit.Page.Locator("#components-reconnect-modal")).ToHaveAttributeAsync("open", "");

        await SetVisibleAsync(visit.Page, true);
        await Expect(visit.Page.Locator("#components-reconnect-modal")).Not.ToHaveAttributeAsync("open", "", new() { Timeout = 30_000 });
        await visit.WaitUntilLiveAsync();
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Choose Notebook" }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Launch Notebook" })).ToBeVisibleAsync();
    }

    private static async Task SetVisibleAsync(IPage page, bool visible) => await page.EvaluateAsync(
        "visible => { Object.defineProperty(document, 'visibilityState', { value: visible ? 'visible' : 'hidden', configurable: true }); "
        + "document.dispatchEvent(new Event('visibilitychange')); }", visible);
}
