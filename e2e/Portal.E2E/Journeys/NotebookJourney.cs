using System.Text.RegularExpressions;
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

        var page = await LaunchAsync(ada);
        var files = await WorkAsync(ada, page);
        await StopAsync(ada, page);
        await StartAgainAsync(page, files);
        await page.DeleteAsync("journey");
        await page.WaitForStatusAsync("Deleted");

        ada.Complaints.ShouldBeEmpty();
    }

    private static async Task<WorkspacePage> LaunchAsync(Visit ada)
    {
        var form = await new CatalogPage(ada).ChooseAsync("Notebook");
        await form.ChooseSizeAsync("Medium");
        await form.CallItAsync("journey");
        var page = await form.LaunchAsync();
        await Expect(page.Steps).ToHaveCountAsync(5);
        await PageChecks.CheckAsync(ada, "workspace-starting-1280-light");
        await page.WaitForStatusAsync("Ready");
        await Expect(ada.Page).ToHaveTitleAsync("● Ready – journey – Campus");
        await Expect(ada.Page.GetByRole(AriaRole.Region, new() { Name = "Node" }).GetByRole(AriaRole.Row)).ToHaveCountAsync(2);
        await PageChecks.CheckEverywhereAsync(ada, "workspace-ready");
        return page;
    }

    /// <summary>Terminal, upload, kernel, reload; returns the files that were made.</summary>
    private static async Task<string[]> WorkAsync(Visit ada, WorkspacePage page)
    {
        // The work folder outlives its workspaces, so files of an earlier run are still there.
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var (typed, uploaded) = ($"typed-{now}.txt", $"uploaded-{now}.txt");
        var lab = await page.OpenLabAsync();
        new Uri(lab.Tab.Url).Host.ShouldBe($"lab--{page.Slug}.apps.localhost");
        await lab.ForgetLayoutAsync();
        await lab.TypeInTerminalAsync($"echo kept > ~/work/{typed}");
        await Expect(lab.File(typed)).ToBeVisibleAsync(new() { Timeout = 60_000 });
        if (Machine.IsKnown) Machine.ShouldBeClosedToTheWeb(Directory.EnumerateFiles($"{Machine.State}/shares", typed, SearchOption.AllDirectories).Single());
        await lab.UploadAsync(uploaded, "by hand");
        await lab.NewNotebookAsync();
        await lab.ComputeAsync("6 * 7", "42");
        // Usage relative to the chosen size, not the machine's.
        await Expect(lab.StatusBar).ToContainTextAsync(new Regex(@"Mem:\s+[1-9][0-9.]* / 2048\.00 MB", RegexOptions.None, TimeSpan.FromSeconds(1)),
            new() { Timeout = 30_000 });
        await lab.RunAsync("import jupyterlab; jupyterlab.__version__[:4]", "'4.6.'");
        // A terminal counts as active for half a minute after its last output, longer than a quick
        // cell takes, so this cell runs long enough for one check to see it.
        await lab.RunAsync("import time; time.sleep(20); 'rested'", "'rested'");
        await Expect(ada.Page.GetByText(new Regex("Kept running by: .*a kernel", RegexOptions.None, TimeSpan.FromSeconds(1))))
            .ToBeVisibleAsync(new() { Timeout = 60_000 });
        // The embedded default has no egress proxy, and pip says so.
        await lab.RunAsync("import subprocess; subprocess.run(['pip', 'install', 'anything'], capture_output=True, text=True).stderr[:93]",
            "'This site does not give notebooks access to package indexes, so pip cannot download anything.'");
        await LookAtLogAsync(ada, page, lab);
        await lab.ReloadAsync();
        await Expect(lab.File(uploaded)).ToBeVisibleAsync();
        (await ada.Context.CookiesAsync([lab.Tab.Url]))
            .ShouldAllBe(c =>
                c.Name.StartsWith("__Host-app-", StringComparison.Ordinal) || c.Name == "_xsrf" || c.Name.StartsWith("username-", StringComparison.Ordinal));
        await lab.Tab.CloseAsync();
        return [typed, uploaded];
    }

    /// <summary>A node's output appears on the page as it is written, and can be downloaded as a
    /// file; typing in a terminal keeps the workspace running.</summary>
    private static async Task LookAtLogAsync(Visit ada, WorkspacePage page, LabPage lab)
    {
        await page.FollowLogAsync("notebook");
        await Expect(page.Log).ToContainTextAsync("Jupyter Server");
        await Expect(page.Log).Not.ToContainTextAsync("written-just-now");
        await lab.TypeInTerminalAsync("echo written-just-now > /proc/1/fd/1");
        await Expect(page.Log).ToContainTextAsync("written-just-now");
        (await page.DownloadLogAsync()).ShouldContain("written-just-now");
        await Expect(ada.Page.GetByText("Kept running by: a terminal.")).ToBeVisibleAsync(new() { Timeout = 60_000 });
    }

    private static async Task StopAsync(Visit ada, WorkspacePage page)
    {
        await page.Action("Stop").ClickAsync();
        await Expect(ada.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
        await PageChecks.CheckAsync(ada, "confirm-1280-light", "region");
        await ada.Page.Keyboard.PressAsync("Escape");
        await page.StopAsync("journey");
        await page.WaitForStatusAsync("Stopped");
        await PageChecks.CheckEverywhereAsync(ada, "workspace-stopped");
    }

    private static async Task StartAgainAsync(WorkspacePage page, string[] files)
    {
        await page.Action("Start").ClickAsync();
        await page.WaitForStatusAsync("Ready");
        var lab = await page.OpenLabAsync();
        foreach (var file in files) await Expect(lab.File(file)).ToBeVisibleAsync();
        await lab.Tab.CloseAsync();
    }

    [Fact]
    public async Task Launch_DoubleClickTwoTabsAndBack_LaunchesOnce()
    {
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync("Alan Turing");
        await new HomePage(alan).ClearAsync();
        const string name = "Bevölkerungsstatistikauswertungsübung";
        var form = await LaunchPage.OpenAsync(alan, $"?size=s&name={Uri.EscapeDataString(name)}");
        var address = new Uri(alan.Page.Url).PathAndQuery;
        await using var other = new Visit(site.Address, alan.Context, await alan.Context.NewPageAsync());
        await other.ShowAsync(address);
        var second = new LaunchPage(other);

        await form.LaunchButton.DblClickAsync();
        var page = await WorkspacePage.ArriveAsync(alan);
        var twin = await second.LaunchAsync();
        twin.Slug.ShouldBe(page.Slug);

        await alan.Page.GoBackAsync();
        await Expect(alan.Page.GetByRole(AriaRole.Main)).ToContainTextAsync("This form has already been submitted");
        await alan.ShowAsync("/");
        await Expect(new HomePage(alan).Card(name)).ToHaveCountAsync(1);
        await PageChecks.CheckEverywhereAsync(alan, "home-long-name");

        // Whatever its state now, deleting is accepted.
        await twin.DeleteAsync(name);
        await twin.WaitForStatusAsync("Deleted");
    }
}
