using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>The database is away at the very moment when somebody acts: the page says so, and the action can be repeated.</summary>
public sealed class DatabaseAway(Site site)
{
    private const string Sentence = "The portal cannot reach its database at the moment.";

    [Fact, Trait("Lane", "long")]
    public async Task Launch_WhileTheDatabaseIsAway_SaysSoAndSucceedsWhenItIsBack()
    {
        await site.WaitForNotebooksAsync();
        await using var visit = await site.VisitAsync("Barbara Liskov");
        await new HomePage(visit).ClearAsync();
        var form = await LaunchPage.OpenAsync(visit, "?size=s&name=no-database");
        await Expect(form.LaunchButton).ToBeEnabledAsync();
        using (Machine.WithoutDatabase())
        {
            await form.LaunchButton.ClickAsync();
            await Expect(visit.Page.GetByRole(AriaRole.Main)).ToContainTextAsync(Sentence);
            await PageChecks.CheckEverywhereAsync(visit, "database-away");
        }

        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Reload this section" }).ClickAsync();
        await Expect(form.LaunchButton).ToBeEnabledAsync();
        var page = await form.LaunchAsync();
        await page.WaitForStatusAsync("Ready");
        await page.DeleteAsync("no-database");
        await page.WaitForStatusAsync("Deleted");
    }

    [Fact, Trait("Lane", "long")]
    public async Task Dialog_SavedWhileTheDatabaseIsAway_SaysSoAndThePageStays()
    {
        await using var visit = await site.LookAsync("Edsger Dijkstra");
        await visit.ShowAsync("/");
        await visit.Page.Locator(".idle-rule button").First.ClickAsync();
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await Expect(dialog.GetByRole(AriaRole.Switch)).ToBeVisibleAsync();
        using (Machine.WithoutDatabase())
        {
            await dialog.GetByRole(AriaRole.Button, new() { Name = "Save the rule" }).ClickAsync();
            await Expect(visit.Page.Locator("body")).ToContainTextAsync(Sentence);
            await visit.Page.ScreenshotAsync(new() { Path = PageChecks.Picture("database-away-dialog") });
        }

        await visit.ShowAsync("/");
        await Expect(visit.Page.Locator(".idle-rule button").First).ToBeVisibleAsync();
    }
}
