using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>Operators see the background jobs through the portal; for everyone else the address does not exist.</summary>
public sealed class BackgroundJobs(Site site)
{
    private const string Path = "/operations/jobs";

    [Fact]
    public async Task Operator_FromOperations_SeesHangfire()
    {
        await using var ken = await site.VisitAsync("Ken Thompson");
        await ken.ShowAsync("/operations");

        var jobs = await ken.Context.RunAndWaitForPageAsync(() => ken.Page.GetByRole(AriaRole.Link, new() { Name = "Job dashboard" }).ClickAsync());

        (await jobs.GotoAsync(new Uri(site.Address, Path + "/recurring").AbsoluteUri))!.Status.ShouldBe(200);
        await Expect(jobs).ToHaveTitleAsync("Recurring Jobs – Background jobs");
        await Expect(jobs.GetByRole(AriaRole.Table)).ToContainTextAsync("sweep: orphans");
        await jobs.ScreenshotAsync(new() { Path = PageChecks.Picture("background-jobs-1280-light"), FullPage = true });
        ken.Complaints.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("Ada Lovelace")]
    [InlineData("Margaret Hamilton")]
    public async Task SomebodyElse_ByAddress_FindsNothing(string person)
    {
        await using var visit = await site.VisitAsync(person);

        (await visit.Page.GotoAsync(new Uri(site.Address, Path).AbsoluteUri))!.Status.ShouldBe(404);
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeVisibleAsync();
    }
}
