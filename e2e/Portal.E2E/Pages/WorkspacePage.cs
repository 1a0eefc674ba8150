using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Pages;

public sealed class WorkspacePage(Visit visit)
{
    private const float Long = 120_000;

    private ILocator Header => visit.Page.Locator("main .page-header");
    public ILocator Status => Header.Locator(".badge");
    public ILocator Steps => visit.Page.GetByRole(AriaRole.List, new() { Name = "Steps" }).GetByRole(AriaRole.Listitem);

    public static async Task<WorkspacePage> ArriveAsync(Visit visit)
    {
        await visit.Page.WaitForURLAsync("**/workspaces/*");
        await visit.WaitUntilLiveAsync();
        return new WorkspacePage(visit);
    }

    public static async Task<WorkspacePage> OpenAsync(Visit visit, string slug)
    {
        await visit.ShowAsync($"/workspaces/{slug}");
        return new WorkspacePage(visit);
    }

    public string Slug => new Uri(visit.Page.Url).Segments[^1];

    /// <summary>By the page's own push; nothing is loaded again.</summary>
    public async Task WaitForStatusAsync(string word)
    {
        // A failure will not become anything else: what the page says of it is worth more than two minutes.
        await Expect(Status).ToHaveTextAsync(new Regex($@"^\s*({word}|Failed)\s*$", RegexOptions.None, TimeSpan.FromSeconds(1)), new() { Timeout = Long });
        var shown = (await Status.InnerTextAsync()).Trim();
        if (shown != word) shown.ShouldBe(word, await visit.Page.Locator("main").InnerTextAsync());
    }

    public ILocator Act(string name) => Header.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    public async Task StopAsync(string name)
    {
        await Act("Stop").ClickAsync();
        await ConfirmAsync($"Stop {name}, keep files");
    }

    public async Task DeleteAsync(string name)
    {
        await visit.Page.GetByRole(AriaRole.Main).GetByRole(AriaRole.Button, new() { Name = "Delete" }).First.ClickAsync();
        await ConfirmAsync($"Delete {name}, keep files");
    }

    /// <summary>Opens the app in its own tab, as a person does.</summary>
    public async Task<LabPage> OpenLabAsync()
    {
        var tab = await visit.Context.RunAndWaitForPageAsync(() => Act("Open Notebook").ClickAsync());
        return await LabPage.ArriveAsync(tab);
    }

    /// <summary>A stopped workspace once more with another number of workers.</summary>
    public async Task StartWithAsync(string name, int workers)
    {
        await Act("Start otherwise…").ClickAsync();
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await dialog.GetByRole(AriaRole.Slider, new() { Name = "Workers" }).FillAsync(workers.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await dialog.GetByRole(AriaRole.Button, new() { Name = $"Start {name} with {(workers == 1 ? "1 worker" : $"{workers} workers")}", Exact = true }).ClickAsync();
        await Expect(dialog).ToHaveCountAsync(0);
    }

    private async Task ConfirmAsync(string act)
    {
        await visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = act, Exact = true }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
    }
}
