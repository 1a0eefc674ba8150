using Microsoft.Playwright;

namespace Portal.E2E.Pages;

public sealed class HomePage(Visit visit)
{
    public ILocator Card(string name) => visit.Page.GetByRole(AriaRole.Article, new() { Name = name, Exact = true });

    /// <summary>Deletes what an interrupted test run left behind for this person, whose quota is small.</summary>
    public async Task ClearAsync()
    {
        for (var left = 10; left > 0; left--)
        {
            await visit.ShowAsync("/");
            var cards = visit.Page.GetByRole(AriaRole.Article);
            if (await cards.CountAsync() == 0) return;
            var name = await cards.First.GetAttributeAsync("aria-label") ?? "";
            await cards.First.GetByRole(AriaRole.Link, new() { Name = name, Exact = true }).ClickAsync();
            var page = await WorkspacePage.ArriveAsync(visit);
            await page.DeleteAsync(name);
            await page.WaitForStatusAsync("Deleted");
        }
    }
}
