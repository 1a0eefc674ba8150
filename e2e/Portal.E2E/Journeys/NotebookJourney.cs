using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>A student launches a notebook, works in it, and releases it.</summary>
public sealed class NotebookJourney(Site site)
{
    [Fact]
    public async Task Student_FromCatalogueToWorkAndBack_LosesNoFile()
    {
        await site.WaitForNotebooksAsync();
        await using var ada = await site.VisitAsync("Ada Lovelace");
        await new HomePage(ada).ClearAsync();
        var form = await new CatalogPage(ada).ChooseAsync("Notebook");
        await form.ChooseSizeAsync("Medium");
        await form.CallItAsync("journey");
        var page = await form.LaunchAsync();

        await Expect(page.Steps).ToHaveCountAsync(5);
        await page.WaitForStatusAsync("Ready");
        await Expect(ada.Page).ToHaveTitleAsync("● Ready – journey – Campus");
        await Expect(ada.Page.GetByRole(AriaRole.Region, new() { Name = "Node" }).GetByRole(AriaRole.Row)).ToHaveCountAsync(2);

        var lab = await page.OpenLabAsync();
        new Uri(lab.Tab.Url).Host.ShouldBe($"lab--{page.Slug}.apps.localhost");
        await lab.TypeInTerminalAsync("echo kept > ~/work/from-terminal.txt");
        await Expect(lab.File("from-terminal.txt")).ToBeVisibleAsync(new() { Timeout = 60_000 });
        await lab.UploadAsync("uploaded.txt", "by hand");
        await lab.NewNotebookAsync();
        await lab.ComputeAsync("6 * 7", "42");
        await lab.ReloadAsync();
        await Expect(lab.File("uploaded.txt")).ToBeVisibleAsync();
        (await ada.Context.CookiesAsync([lab.Tab.Url])).ShouldAllBe(c => c.Name.StartsWith("__Host-app-", StringComparison.Ordinal) || c.Name == "_xsrf" || c.Name.StartsWith("username-", StringComparison.Ordinal));
        await lab.Tab.CloseAsync();

        await page.StopAsync("journey");
        await page.WaitForStatusAsync("Stopped");
        await page.Act("Start").ClickAsync();
        await page.WaitForStatusAsync("Ready");
        var again = await page.OpenLabAsync();
        await Expect(again.File("from-terminal.txt")).ToBeVisibleAsync();
        await Expect(again.File("uploaded.txt")).ToBeVisibleAsync();
        await again.Tab.CloseAsync();

        await page.DeleteAsync("journey");
        await page.WaitForStatusAsync("Deleted");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task Launch_DoubleClickTwoTabsAndBack_LaunchesOnce()
    {
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync("Alan Turing");
        await new HomePage(alan).ClearAsync();
        var form = await LaunchPage.OpenAsync(alan, "?size=s&name=once");
        var address = new Uri(alan.Page.Url).PathAndQuery;
        await using var other = new Visit(site.Address, alan.Context, await alan.Context.NewPageAsync());
        await other.ShowAsync(address);
        var second = new LaunchPage(other);

        await form.LaunchButton.DblClickAsync();
        var page = await WorkspacePage.ArriveAsync(alan);
        var twin = await second.LaunchAsync();
        twin.Slug.ShouldBe(page.Slug);

        await alan.Page.GoBackAsync();
        await Expect(alan.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("This form was sent already");
        await alan.ShowAsync("/");
        await Expect(new HomePage(alan).Card("once")).ToHaveCountAsync(1);

        // Cancelled by deleting it while it comes up: always accepted.
        await twin.DeleteAsync("once");
        await twin.WaitForStatusAsync("Deleted");
    }
}
