using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>What pages say when things do not go well, or are not wanted any more: a cancel, an end that comes too soon.</summary>
public sealed class HardTimes(Site site)
{
    private const string Student = "Alan Turing";

    [Fact]
    public async Task Student_CancelsAStart_KeepsItStoppedAndStartsItLater()
    {
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync(Student);
        await new HomePage(alan).ClearAsync();
        var page = await LaunchAsync(alan, "s", "second thoughts");

        await page.Act("Cancel the start").ClickAsync();

        await page.WaitForStatusAsync("Stopped");
        await Expect(page.Act("Open Notebook")).ToHaveCountAsync(0);
        await page.Act("Start").ClickAsync();
        await page.WaitForStatusAsync("Ready");
        await page.DeleteAsync("second thoughts");
        await page.WaitForStatusAsync("Deleted");
        alan.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task Student_Extends_TheNewEndShowsAtOnceAndInAnotherTab()
    {
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync(Student);
        await new HomePage(alan).ClearAsync();
        var page = await LaunchAsync(alan, "s", "longer");
        await page.WaitForStatusAsync("Ready");
        await using var other = new Visit(site.Address, alan.Context, await alan.Context.NewPageAsync());
        await WorkspacePage.OpenAsync(other, page.Slug);
        var before = await End(alan).GetAttributeAsync("datetime") ?? "";

        await alan.Page.GetByRole(AriaRole.Button, new() { Name = "Extend" }).ClickAsync();
        await alan.Page.GetByRole(AriaRole.Menuitem).First.ClickAsync();

        await Expect(alan.Page.GetByText("longer runs longer now.")).ToBeVisibleAsync();
        await Expect(End(alan)).Not.ToHaveAttributeAsync("datetime", before);
        var after = await End(alan).GetAttributeAsync("datetime") ?? "";
        (DateTimeOffset.Parse(after, System.Globalization.CultureInfo.InvariantCulture) - DateTimeOffset.Parse(before, System.Globalization.CultureInfo.InvariantCulture)).ShouldBe(TimeSpan.FromHours(1), TimeSpan.FromMinutes(1));
        await Expect(End(other)).ToHaveAttributeAsync("datetime", after);
        await page.DeleteAsync("longer");
        await page.WaitForStatusAsync("Deleted");
        alan.Complaints.ShouldBeEmpty();

        static ILocator End(Visit visit) => visit.Page.Locator(".end-time time").First;
    }

    private static async Task<WorkspacePage> LaunchAsync(Visit visit, string size, string name)
    {
        var form = await LaunchPage.OpenAsync(visit, $"?size={size}&name={Uri.EscapeDataString(name)}");
        return await form.LaunchAsync();
    }
}
