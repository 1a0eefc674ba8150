using Microsoft.Playwright;

namespace Portal.E2E.Pages;

public sealed class CatalogPage(Visit visit)
{
    public ILocator Card(string title) => visit.Page.GetByRole(AriaRole.Article, new() { Name = title, Exact = true });

    private ILocator Choose(string title) => Card(title).GetByRole(AriaRole.Link, new() { Name = $"Choose {title}" });

    /// <summary>Waits until the template can be launched: its image may still be building. The page updates automatically.</summary>
    public async Task WaitForAsync(string title, TimeSpan longest)
    {
        await visit.ShowAsync("/catalog");
        await Choose(title).WaitForAsync(new() { Timeout = (float)longest.TotalMilliseconds });
    }

    public async Task<LaunchPage> ChooseAsync(string title)
    {
        await visit.ShowAsync("/catalog");
        await Choose(title).ClickAsync();
        return new LaunchPage(visit, title);
    }
}
