using System.Globalization;
using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>
/// A student of one department works in a notebook on a server of an OpenStack; its own records show what is there, and in which order it goes. People
/// of another department, which has another project, see nothing of it.
/// </summary>
[Trait("Lane", "openstack")]
public sealed class OpenStackJourney(Site site)
{
    private const string Name = "on-a-server";

    /// <summary>What a launch says, in the order in which a server comes up; a fast cloud may skip some.</summary>
    private static readonly string[] Progress =
    [
        "The network is being created.", "Addresses are being reserved.", "The server notebook is being started.",
        "The server notebook is booting and mounting folders.",
    ];

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Student_OnAServer_LosesNoFileAndLeavesNothing()
    {
        await site.WaitForNotebooksAsync();
        using var informatics = await OpenStackProject.SignInAsync("informatics");
        using var mathematics = await OpenStackProject.SignInAsync("mathematics");
        await using var ada = await site.VisitAsync("Ada Lovelace");
        await new HomePage(ada).ClearAsync();

        var page = await LaunchAsync(ada);
        (await informatics.StacksAsync()).Count.ShouldBe(1);
        (await informatics.ServersAsync()).Count.ShouldBe(1);
        (await informatics.RulesAsync()).ShouldHaveSingleItem().ShouldEndWith(" active");
        await ShowsNothingToOthersAsync(page.Slug, mathematics);
        await ShowsBothPoolsAsync();

        var file = await WorkAsync(page);
        await StopAsync(ada, page, informatics);
        await StartAgainAsync(page, file);
        await page.DeleteAsync(Name);
        await page.WaitForStatusAsync("Deleted");

        await LeavesNothingAsync(informatics);
        await LeavesNothingAsync(mathematics);
        (await informatics.SharesAsync()).ShouldNotBeEmpty("files outlive workspaces");
        ada.Complaints.ShouldBeEmpty();
    }

    private static async Task<WorkspacePage> LaunchAsync(Visit ada)
    {
        var form = await new CatalogPage(ada).ChooseAsync("Notebook");
        await form.CallItAsync(Name);
        var page = await form.LaunchAsync();
        await page.RecordNotesAsync();
        await page.WaitForNoteAsync(Progress[^1]);
        await PicturesAsync(ada, "openstack-launching");
        await page.WaitForStatusAsync("Ready");
        var said = (await page.NotesAsync()).Where(Progress.Contains).Distinct().ToList();
        said.ShouldBe(Progress.Where(said.Contains), "in this order");
        said.Count.ShouldBeGreaterThan(1);
        await PicturesAsync(ada, "openstack-ready");
        return page;
    }

    /// <summary>Computes, writes through the mount, and fills the folder; returns the file that was made.</summary>
    private static async Task<string> WorkAsync(WorkspacePage page)
    {
        // The work folder outlives its workspaces, so files of an earlier run are still there.
        var file = string.Create(CultureInfo.InvariantCulture, $"kept-{TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()}.txt");
        var lab = await page.OpenLabAsync();
        await lab.ForgetLayoutAsync();
        await lab.TypeInTerminalAsync($"echo kept > ~/work/{file}");
        await Expect(lab.File(file)).ToBeVisibleAsync(new() { Timeout = 60_000 });
        if (Environment.GetEnvironmentVariable("PORTAL_OPENSTACK_STATE") is { Length: > 0 } rig)
        {
            var stored = Directory.EnumerateFiles(Path.Combine(rig, "gpfs"), file, SearchOption.AllDirectories).ShouldHaveSingleItem();
            (await File.ReadAllTextAsync(stored)).ShouldBe("kept\n", "it is on the storage itself");
        }
        await lab.NewNotebookAsync();
        await lab.ComputeAsync("6 * 7", "42");
        await lab.RunAsync(
            "import subprocess; subprocess.run('head -c 3G /dev/zero > ~/work/big', shell=True, capture_output=True, text=True).stderr.strip()[-19:]",
            "'Disk quota exceeded'");
        var (status, message) = await lab.SaveTextAsync("refused.txt", 4 << 20);
        status.ShouldBe(507);
        message.ShouldContain("Nothing was saved, and what was there before is untouched. Delete what you no longer need");
        await lab.RunAsync("import os; os.remove(os.path.expanduser('~/work/big')); 'removed'", "'removed'");
        await Expect(lab.File("refused.txt")).ToHaveCountAsync(0);
        await lab.Tab.CloseAsync();
        return file;
    }

    /// <summary>Storage is released last: the server is gone before its rule, and the rule before the stack with the addresses.</summary>
    private static async Task StopAsync(Visit ada, WorkspacePage page, OpenStackProject project)
    {
        using var stopped = new CancellationTokenSource();
        var watch = WatchAsync(project, stopped.Token);
        await page.StopAsync(Name);
        await page.WaitForStatusAsync("Stopped");
        await stopped.CancelAsync();
        (await watch).ShouldBe(["stack, rule, server", "stack, rule", "stack", "nothing"]);
        await PicturesAsync(ada, "openstack-stopped");
    }

    /// <summary>
    /// What is there, polled as often as possible, without repetitions. What must go last is asked for first, so that something that goes between two
    /// queries never looks like a wrong order.
    /// </summary>
    private static async Task<IReadOnlyList<string>> WatchAsync(OpenStackProject project, CancellationToken enough)
    {
        var seen = new List<string>();
        for (var last = false; !last;)
        {
            last = enough.IsCancellationRequested;
            var there = new List<string>();
            if ((await project.StacksAsync()).Count > 0) there.Add("stack");
            if ((await project.RulesAsync()).Count > 0) there.Add("rule");
            if ((await project.ServersAsync()).Count > 0) there.Add("server");
            var now = there.Count == 0 ? "nothing" : string.Join(", ", there);
            if (seen.LastOrDefault() != now) seen.Add(now);
        }
        return seen;
    }

    private static async Task StartAgainAsync(WorkspacePage page, string file)
    {
        await page.Action("Start").ClickAsync();
        await page.WaitForStatusAsync("Ready");
        var lab = await page.OpenLabAsync();
        await Expect(lab.File(file)).ToBeVisibleAsync();
        await lab.Tab.CloseAsync();
    }

    private async Task ShowsNothingToOthersAsync(string slug, OpenStackProject project)
    {
        foreach (var person in (string[])["Emmy Noether", "David Hilbert", "Mary Cartwright"])
        {
            await using var visit = await site.VisitAsync(person);
            await Expect(visit.Page.GetByText(Name)).ToHaveCountAsync(0);
            await visit.ShowAsync($"/workspaces/{slug}");
            await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Workspace not found" })).ToBeVisibleAsync();
        }
        (await project.EverythingButSharesAsync()).ShouldBeEmpty();
        (await project.SharesAsync()).ShouldBeEmpty();
    }

    private async Task ShowsBothPoolsAsync()
    {
        await using var ken = await site.VisitAsync("Ken Thompson");
        await ken.ShowAsync("/operations");
        foreach (var pool in (string[])["Informatics", "Mathematics"])
            await Expect(ken.Page.GetByRole(AriaRole.Region, new() { Name = pool, Exact = true })).ToBeVisibleAsync();
        await PicturesAsync(ken, "openstack-operations");
    }

    /// <summary>Neutron removes the last of a network a moment after Heat has said that it is gone.</summary>
    private static async Task LeavesNothingAsync(OpenStackProject project)
    {
        var began = TimeProvider.System.GetTimestamp();
        IReadOnlyList<string> left;
        do left = await project.EverythingButSharesAsync();
        while (left.Count > 0 && TimeProvider.System.GetElapsedTime(began) < Patience);
        left.ShouldBeEmpty();
    }

    private static async Task PicturesAsync(Visit visit, string name)
    {
        foreach (var (theme, width) in ((string, int)[])[("dark", 390), ("light", 1280)])
        {
            await visit.Page.EvaluateAsync("theme => window.portal?.chooseTheme(theme)", theme);
            await PageChecks.ResizeAsync(visit, width);
            await PageChecks.CheckAsync(visit, $"{name}-{width}-{theme}");
        }
    }
}
