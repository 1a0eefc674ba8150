using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Pages;

public sealed class LaunchPage(Visit visit)
{
    public ILocator Receipt => visit.Page.GetByRole(AriaRole.Complementary, new() { Name = "What you get" });
    public ILocator Name => visit.Page.GetByLabel("Name", new() { Exact = true });
    public ILocator LaunchButton => Receipt.GetByRole(AriaRole.Button, new() { Name = "Launch Notebook" });

    public static async Task<LaunchPage> OpenAsync(Visit visit, string query = "")
    {
        await visit.ShowAsync("/launch/notebook" + query);
        var page = new LaunchPage(visit);
        await Expect(page.Receipt).ToBeVisibleAsync();
        return page;
    }

    public Task ChooseSizeAsync(string title) => visit.Page.GetByRole(AriaRole.Radio, new() { Name = title }).CheckAsync(new() { Force = true });

    public async Task CallItAsync(string name)
    {
        await Name.FillAsync(name);
        // The address carries the whole form once the server has it.
        await visit.Page.WaitForURLAsync(url => Uri.UnescapeDataString(url).Contains($"name={name}", StringComparison.Ordinal));
        await Expect(LaunchButton).ToBeEnabledAsync();
    }

    public async Task<WorkspacePage> LaunchAsync()
    {
        await Expect(LaunchButton).ToBeEnabledAsync();
        await LaunchButton.ClickAsync();
        return await WorkspacePage.ArriveAsync(visit);
    }
}
