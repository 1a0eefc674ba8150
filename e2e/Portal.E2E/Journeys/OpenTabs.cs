using System.Text.Json;
using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>A JupyterLab that stays open in a tab while its workspace stops, or its node ends, under it.</summary>
public sealed class OpenTabs(Site site)
{
    private const string Where = "/lab/tree/examples/notebook/first-steps.ipynb", Folder = "/api/contents/examples/notebook";

    [Fact, Trait("Lane", "long")]
    public async Task Lab_LeftOpenOverAStopAndALostNode_SaysWhatIsSoAndReturnsToWhereItWas()
    {
        await site.WaitForNotebooksAsync();
        await using var alan = await site.VisitAsync("Alan Turing");
        await new HomePage(alan).ClearAsync();
        var page = await (await LaunchPage.OpenAsync(alan, "?size=s&name=left-open")).LaunchAsync();
        await page.WaitForStatusAsync("Ready");
        var lab = await page.OpenLabAsync();
        await lab.ForgetLayoutAsync();
        await lab.OpenFileAsync("examples", "notebook", "first-steps.ipynb");
        await BackAsync(lab, Where);
        var tab = new Visit(site.Address, alan.Context, lab.Tab);

        await StoppedAsync(page, lab, tab);
        await LostNodeAsync(page, lab, tab);

        await page.DeleteAsync("left-open");
        await page.WaitForStatusAsync("Deleted");
        alan.Complaints.ShouldBeEmpty();
    }

    private static async Task StoppedAsync(WorkspacePage page, LabPage lab, Visit tab)
    {
        await RememberWordsAsync(lab.Tab);
        await lab.CloseDialogsAsync(); // JupyterLab may notice by itself, and say so in one
        await page.StopAsync("left-open");
        await page.WaitForStatusAsync("Stopped");

        await lab.RefreshFilesAsync(Folder, 503);
        (await ReasonAsync(lab.Tab)).ShouldBe("closed");
        await Expect(lab.Tab.Locator(".jp-DirListing-item")).Not.ToHaveCountAsync(0);
        (await lab.Tab.EvaluateAsync<string[]>("() => window.words")).Where(w => w.Contains("not found", StringComparison.OrdinalIgnoreCase)).ShouldBeEmpty();

        await lab.Tab.ReloadAsync(new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await Expect(Heading(lab.Tab)).ToHaveTextAsync("Stopped");
        await Expect(lab.Tab.GetByRole(AriaRole.Main)).ToContainTextAsync("left-open is stopped. Your files are kept.");
        await PageChecks.CheckEverywhereAsync(tab, "gone-stopped");
        await Press(lab.Tab, "Start again").ClickAsync();
        await Expect(Heading(lab.Tab)).ToHaveTextAsync("Starting");
        await PageChecks.CheckAsync(tab, "gone-starting-1280-light");
        await ContinuesAsync(lab, Where);
        await page.WaitForStatusAsync("Ready");
    }

    private static async Task LostNodeAsync(WorkspacePage page, LabPage lab, Visit tab)
    {
        Machine.KillNotebook(page.Slug);
        await page.WaitForStatusAsync("Needs attention");
        var where = new Uri(lab.Tab.Url).AbsolutePath; // JupyterLab's own choice: that of the tab which is in front now
        await lab.Tab.ReloadAsync(new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await Expect(Heading(lab.Tab)).ToHaveTextAsync("Restarting");
        await Expect(lab.Tab.GetByRole(AriaRole.Main)).ToContainTextAsync("The node of left-open that runs Notebook is down and may recover on its own. "
            + "This page will continue once it is back. If it stays down, start the workspace again.");
        await PageChecks.CheckEverywhereAsync(tab, "gone-restarting");
        await Press(lab.Tab, "Start again").ClickAsync();
        await ContinuesAsync(lab, where);
        await page.WaitForStatusAsync("Ready");
    }

    /// <summary>The page reloads itself once the app can be opened, and leads back.</summary>
    private static async Task ContinuesAsync(LabPage lab, string where)
    {
        await Expect(Heading(lab.Tab)).ToHaveTextAsync("Open Notebook?", new() { Timeout = 120_000 });
        await Press(lab.Tab, "Open Notebook").ClickAsync();
        await BackAsync(lab, where);
    }

    private static async Task BackAsync(LabPage lab, string where)
    {
        await lab.Tab.WaitForURLAsync(url => url.Contains("://lab--", StringComparison.Ordinal) && new Uri(url).AbsolutePath == where,
            new() { Timeout = 90_000, WaitUntil = WaitUntilState.Commit });
        await lab.WaitUntilDrawnAsync();
        if (where == Where) await Expect(lab.Tab.Locator(".jp-NotebookPanel:not(.lm-mod-hidden)")).ToBeVisibleAsync();
    }

    /// <summary>Keeps every text that appears from now on, however briefly.</summary>
    private static async Task RememberWordsAsync(IPage tab) => await tab.EvaluateAsync("""
        () => {
            window.words = [];
            new MutationObserver(all => all.forEach(m => m.addedNodes.forEach(n => { if (n.textContent) window.words.push(n.textContent.slice(0, 500)); })))
                .observe(document.documentElement, { subtree: true, childList: true });
        }
        """);

    /// <summary>What a script of the page is told.</summary>
    private static async Task<string> ReasonAsync(IPage tab)
    {
        var told = await tab.EvaluateAsync<string>($"() => fetch('{Folder}').then(a => a.text())");
        return JsonDocument.Parse(told).RootElement.GetProperty("reason").GetString()!;
    }

    private static ILocator Heading(IPage tab) => tab.GetByRole(AriaRole.Heading, new() { Level = 1 });

    private static ILocator Press(IPage tab, string name) => tab.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });
}
