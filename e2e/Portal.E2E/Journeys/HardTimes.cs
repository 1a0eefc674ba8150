using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>What pages say when things do not go well, or are not wanted any more: a full site, a wall, a failure, a cancel, an end that comes too soon.</summary>
public sealed class HardTimes(Site site)
{
    private const string Student = "Alan Turing";

    [Fact]
    public async Task Site_Full_QueueWallAndFailureSayWhyAndTheWayOut()
    {
        Assert.SkipUnless(Site.MayCrash, "PORTAL_STATE is not set: this test may not change rows of the installation.");
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync(Student);
        await new HomePage(alan).ClearAsync();
        var first = await LaunchAsync(alan, "l", "takes all");
        await first.WaitForStatusAsync("Ready");
        var large = first.Slug;
        await using var taken = new FullSite(large);
        await taken.BeginAsync();

        // It waits, and says for what, in which place.
        var second = await LaunchAsync(alan, "s", "waits");
        var waiting = second.Slug;
        await second.WaitForStatusAsync("Waiting");
        await Expect(alan.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("next");
        await Looks.CheckEverywhereAsync(alan, "workspace-queued");
        await using var ken = await site.VisitAsync("Ken Thompson");
        await ken.ShowAsync("/operations");
        await Expect(ken.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("Number 1 in the queue");
        await Expect(ken.Page.GetByRole(AriaRole.Link, new() { Name = "waits", Exact = true })).ToBeVisibleAsync();
        await Looks.CheckEverywhereAsync(ken, "operations-runs");

        // A second large one does not fit at all: which wall, and what fits.
        await alan.ShowAsync("/launch/notebook?size=l&name=too-much");
        var form = new LaunchPage(alan);
        await Expect(form.Receipt).ToContainTextAsync("You have not enough");
        await Expect(form.Receipt.GetByRole(AriaRole.Button, new() { Name = "Launch Notebook" })).ToBeDisabledAsync();
        await Looks.CheckEverywhereAsync(alan, "launch-wall");

        // The order that waits loses its quota, as a forged one never had it; then there is room, and it fails.
        await Rows.ChangeAsync($"update portal.reservations set ended_at = clock_timestamp() where kind = 'Compute' and workspace_id = (select id from portal.workspaces where slug = '{waiting}')");
        await WorkspacePage.OpenAsync(alan, waiting);
        await taken.EndAsync();
        await second.WaitForStatusAsync("Failed");
        await Expect(alan.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("Its quota was never reserved.");
        await Expect(alan.Page.GetByRole(AriaRole.Button, new() { Name = "Try again" })).ToBeVisibleAsync();
        await Looks.CheckEverywhereAsync(alan, "workspace-failed");
        await Expect(ken.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("Its quota was never reserved.");
        await Looks.CheckEverywhereAsync(ken, "operations-failures");

        foreach (var name in (string[])["waits", "takes all"])
        {
            var page = await WorkspacePage.OpenAsync(alan, name == "waits" ? waiting : large);
            await page.DeleteAsync(name);
            await page.WaitForStatusAsync("Deleted");
        }
        alan.Complaints.ShouldBeEmpty();
        ken.Complaints.ShouldBeEmpty();
    }

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

    /// <summary>All room of the site held in the name of one workspace that runs, until the end.</summary>
    private sealed class FullSite(string slug) : IAsyncDisposable
    {
        private bool _full;

        public async Task BeginAsync()
        {
            await Rows.ChangeAsync($"insert into portal.capacity_claims (workspace_id, run_id, vcpu, memory_mib) select w.id, r.id, 100000, 0 from portal.workspaces w join portal.runs r on r.workspace_id = w.id where w.slug = '{slug}' order by r.number desc limit 1");
            _full = true;
        }

        public async Task EndAsync()
        {
            await Rows.ChangeAsync("delete from portal.capacity_claims where vcpu = 100000");
            await Rows.ChangeAsync("select pg_notify('portal_runs', '')");
            _full = false;
        }

        public async ValueTask DisposeAsync()
        {
            if (_full) await EndAsync();
        }
    }
}
