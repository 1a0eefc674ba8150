using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>Nothing executes what people order: pages take every order, say what is so without an error, and all is done once Jobs is back.</summary>
public sealed class JobsAway(Site site)
{
    [Fact, Trait("Lane", "long")]
    public async Task Orders_WhileJobsIsAway_AreTakenAndDoneLater()
    {
        await site.WaitForNotebooksAsync();
        await using var visit = await site.VisitAsync("Barbara Liskov");
        await new HomePage(visit).ClearAsync();
        WorkspacePage page;
        using (Machine.WithoutJobs())
        {
            page = await (await LaunchPage.OpenAsync(visit, "?size=s&name=no-jobs")).LaunchAsync();
            await Expect(page.Status).Not.ToHaveTextAsync("Failed");
            await PageChecks.CheckAsync(visit, "jobs-away-launch-1280-light");
        }

        await page.WaitForStatusAsync("Ready");
        using (Machine.WithoutJobs())
        {
            await page.StopAsync("no-jobs");
            await page.WaitForStatusAsync("Stopping");
            await PageChecks.CheckEverywhereAsync(visit, "jobs-away-stop");
        }

        await page.WaitForStatusAsync("Stopped");
        using (Machine.WithoutJobs())
        {
            await page.Action("Start").ClickAsync();
            await page.WaitForStatusAsync("Waiting"); // Jobs admits it
        }

        await page.WaitForStatusAsync("Ready");
        using (Machine.WithoutJobs())
        {
            await page.DeleteAsync("no-jobs");
            await page.WaitForStatusAsync("Deleting");
        }

        await page.WaitForStatusAsync("Deleted");
        visit.Complaints.ShouldBeEmpty();
    }
}
