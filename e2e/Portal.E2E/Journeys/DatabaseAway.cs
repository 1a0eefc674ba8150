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

    /// <summary>An action on a page that is open and live: nothing is ordered, the workspace runs on, and the action succeeds later.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task Stop_WhileTheDatabaseIsAway_SaysSoAndLosesNothing()
    {
        await site.WaitForNotebooksAsync();
        await using var visit = await site.VisitAsync("Barbara Liskov");
        await new HomePage(visit).ClearAsync();
        var page = await (await LaunchPage.OpenAsync(visit, "?size=s&name=no-stop")).LaunchAsync();
        await page.WaitForStatusAsync("Ready");
        await page.Action("Stop").ClickAsync();
        using (Machine.WithoutDatabase())
        {
            await visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Stop no-stop, keep files" }).ClickAsync();
            await Expect(visit.Page.GetByRole(AriaRole.Main)).ToContainTextAsync(Sentence);
            await PageChecks.CheckAsync(visit, "database-away-stop-1280-light");
        }

        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Reload this section" }).ClickAsync();
        await page.WaitForStatusAsync("Ready");
        Machine.Sql($"""
            do $$ begin if (select count(*) from portal.runs where workspace_id = (select id from portal.workspaces where slug = '{page.Slug}')) <> 1
              then raise 'something was ordered'; end if; end $$
            """);
        await page.StopAsync("no-stop");
        await page.WaitForStatusAsync("Stopped");
        await page.DeleteAsync("no-stop");
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
