using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>Pages when things go wrong or are no longer wanted: a cancel, an end that comes too soon.</summary>
public sealed class UnhappyPaths(Site site)
{
    private const string Student = "Alan Turing";

    /// <summary>One cluster fills the whole site: the next launch waits in the queue, says so, and begins when there is capacity.</summary>
    [Fact]
    public async Task Site_Full_NextLaunchWaitsInItsPlaceAndBegins()
    {
        await site.WaitForNotebooksAsync();
        await using var grace = await site.VisitAsync("Grace Hopper");
        await new HomePage(grace).ClearAsync();
        await using var alan = await site.VisitAsync(Student);
        await new HomePage(alan).ClearAsync();
        var all = await (await LaunchPage.OpenAsync(grace, "?size=m&workers=3&name=takes%20all", "Dask")).LaunchAsync();
        await all.WaitForStatusAsync("Ready");
        var slug = all.Slug;

        // Her second request exceeds her own quota, and the form names the limit.
        var form = await LaunchPage.OpenAsync(grace, "?size=s&name=too-much");
        await Expect(form.Receipt).ToContainTextAsync("You do not have enough");
        await Expect(form.Receipt).ToContainTextAsync("Stop takes all to make it fit.");
        await Expect(grace.Page.GetByRole(AriaRole.Radio, new() { Name = "Small" })).ToBeDisabledAsync();
        await Expect(form.LaunchButton).ToBeDisabledAsync();
        await PageChecks.CheckEverywhereAsync(grace, "launch-limit");

        var order = await LaunchPage.OpenAsync(alan, "?size=s&name=waits");
        await alan.ListenAsync();
        var waits = await order.LaunchAsync();
        await waits.WaitForStatusAsync("Waiting");
        await Expect(alan.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("next");
        await Expect(alan.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("at the latest, unless someone extends theirs");
        await Expect(alan.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("once it is ready");
        await alan.HearsAsync("waits is waiting: number 1 in the queue.");
        await PageChecks.CheckEverywhereAsync(alan, "workspace-queued");
        await using (var ken = await site.VisitAsync("Ken Thompson"))
        {
            await ken.ShowAsync("/operations");
            await Expect(ken.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("Number 1 in the queue");
            await Expect(ken.Page.GetByRole(AriaRole.Link, new() { Name = "waits", Exact = true })).ToBeVisibleAsync();
            await PageChecks.CheckEverywhereAsync(ken, "operations-runs");
        }

        await using (var ada = await site.VisitAsync("Ada Lovelace"))
            await Expect((await LaunchPage.OpenAsync(ada, "?size=s&name=later")).Receipt).ToContainTextAsync("after the launch ahead of it");
        await WorkspacePage.OpenAsync(grace, slug);
        await all.DeleteAsync("takes all");
        await waits.WaitForStatusAsync("Ready");
        await waits.DeleteAsync("waits");
        await waits.WaitForStatusAsync("Deleted");
        alan.Complaints.ShouldBeEmpty();
        grace.Complaints.ShouldBeEmpty();
    }

    /// <summary>Limits that others cause and lift: the form shows them without a reload.</summary>
    [Fact]
    public async Task Form_OpenWhileItsTemplateIsOfferedAgain_IsFreeByItself()
    {
        await site.WaitForNotebooksAsync();
        await using var ken = await site.VisitAsync("Ken Thompson");
        await using var alan = await site.VisitAsync(Student);
        await new HomePage(alan).ClearAsync();
        await ken.ShowAsync("/operations");
        await DecideAsync(ken, "deprecate", """{ "reason": "A newer one comes tomorrow." }""");
        try
        {
            var form = await LaunchPage.OpenAsync(alan, "?size=s&name=later");
            await Expect(form.Receipt).ToContainTextAsync("A newer one comes tomorrow.");
            await Expect(form.LaunchButton).ToBeDisabledAsync();

            await DecideAsync(ken, "offer", "{}");
            await Expect(form.LaunchButton).ToBeEnabledAsync();
            await Expect(form.Receipt).Not.ToContainTextAsync("A newer one comes tomorrow.");
        }
        finally
        {
            await DecideAsync(ken, "offer", "{}");
        }
        alan.Complaints.ShouldBeEmpty();
    }

    private static async Task DecideAsync(Visit ken, string what, string body) =>
        (await ken.Page.EvaluateAsync<int>(
            "([what, body]) => fetch(`/api/v1/managed-templates/notebook/${what}`, "
            + "{ method: 'POST', body, headers: { 'Content-Type': 'application/json', 'X-Portal-Csrf': '1' } }).then(r => r.status)",
            new[] { what, body })).ShouldBe(204);

    [Fact]
    public async Task Student_CancelsAStart_KeepsItStoppedAndStartsItLater()
    {
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync(Student);
        await new HomePage(alan).ClearAsync();
        var page = await LaunchAsync(alan, "s", "second thoughts");

        await page.Action("Cancel the start").ClickAsync();

        await page.WaitForStatusAsync("Stopped");
        await Expect(page.Action("Open Notebook")).ToHaveCountAsync(0);
        await page.Action("Start").ClickAsync();
        await page.WaitForStatusAsync("Ready");
        await page.DeleteAsync("second thoughts");
        await page.WaitForStatusAsync("Deleted");
        alan.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task Student_WarnedThatItStopsForWantOfWork_KeepsItInOneClick()
    {
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync(Student);
        await new HomePage(alan).ClearAsync();
        var page = await LaunchAsync(alan, "s", "quiet");
        await page.WaitForStatusAsync("Ready");
        var warning = alan.Page.GetByText("It is idle and stops at");
        await Expect(warning).ToHaveCountAsync(0);

        // As if nearly two idle hours had passed since it came up.
        Machine.Sql($"""
            update portal.runs set ended_at = ended_at - interval '111 minutes'
              where workspace_id = (select id from portal.workspaces where slug = '{page.Slug}');
            update portal.workspaces set active_at = clock_timestamp() - interval '110 minutes', active_by = null where slug = '{page.Slug}'
            """);

        await Expect(warning).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await PageChecks.CheckEverywhereAsync(alan, "workspace-idle-warning");
        await alan.Page.GetByRole(AriaRole.Button, new() { Name = "Keep it for 4 hours" }).ClickAsync();
        await Expect(warning).ToHaveCountAsync(0);
        await Expect(alan.Page.GetByText("Kept until").First).ToBeVisibleAsync();
        await page.DeleteAsync("quiet");
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

        await Expect(alan.Page.GetByText("longer will run longer.")).ToBeVisibleAsync();
        await Expect(End(alan)).Not.ToHaveAttributeAsync("datetime", before);
        var after = await End(alan).GetAttributeAsync("datetime") ?? "";
        (DateTimeOffset.Parse(after, System.Globalization.CultureInfo.InvariantCulture) - DateTimeOffset.Parse(before,
            System.Globalization.CultureInfo.InvariantCulture)).ShouldBe(TimeSpan.FromHours(1), TimeSpan.FromMinutes(1));
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
