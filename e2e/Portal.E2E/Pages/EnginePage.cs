using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Pages;

/// <summary>A page served by a compute engine, on its app's own host. Records requests that leave the hosts of the workspace, and those that fail.</summary>
public sealed class EnginePage
{
    private readonly List<string> _complaints = [];
    private readonly string _hosts;

    private EnginePage(string hosts) => _hosts = hosts;

    public IPage Tab { get; private set; } = null!;
    public IReadOnlyList<string> Complaints => _complaints;

    public static async Task<EnginePage> OpenAsync(Visit visit, string slug, ILocator opener)
    {
        var page = new EnginePage($"--{slug}.apps.localhost");
        var portal = new Uri(visit.Page.Url).Authority;
        // Across all tabs, so that the first request of the new one is seen too.
        visit.Context.Request += (_, r) => { if (!page.IsHome(r.Url, portal)) page._complaints.Add($"asked {r.Url}"); };
        visit.Context.Response += (_, r) => { if (r.Status >= 400) page._complaints.Add($"{r.Status} of {r.Url}"); };
        page.Tab = await visit.Context.RunAndWaitForPageAsync(() => opener.ClickAsync());
        page.Tab.SetDefaultTimeout(60_000);
        await page.Tab.WaitForURLAsync(url => new Uri(url).Host.EndsWith(page._hosts, StringComparison.Ordinal), new() { WaitUntil = WaitUntilState.Commit });
        return page;
    }

    public ILocator Heading(string name) => Tab.GetByRole(AriaRole.Heading, new() { Name = name });

    /// <summary>Everything shown anywhere on the page, including a canvas's table.</summary>
    public ILocator Text(string exactly) => Tab.GetByText(exactly, new() { Exact = true });

    /// <summary>
    /// Follows a link and stays within the workspace's hosts. Retried if nothing happened: compute engines redraw their tables under the
    /// pointer, and a container network that appears or disappears makes Chromium abort what it is loading (<see cref="Visit.GoAsync"/>).
    /// </summary>
    /// <param name="app">The app whose host the link leads to.</param>
    public async Task FollowAsync(string link, string app)
    {
        for (var attempt = 1; ; attempt++)
        {
            var before = Tab.Url;
            await Tab.GetByRole(AriaRole.Link, new() { Name = link }).First.ClickAsync();
            try
            {
                await Tab.WaitForURLAsync(url => url != before && new Uri(url).Host == app + _hosts,
                    new() { WaitUntil = WaitUntilState.Commit, Timeout = 20_000 });
                break;
            }
            catch (TimeoutException) when (attempt < 3)
            {
                if (Tab.Url != before) await Tab.GotoAsync(before, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
            }
        }
        await Expect(Tab.Locator("body")).Not.ToBeEmptyAsync();
    }

    /// <summary>Follows a link to another app that is not open in this browser yet: the portal offers to open it, and the person accepts.</summary>
    /// <param name="app">The app whose host the link leads to.</param>
    public async Task FollowToAsync(string link, string app)
    {
        await Tab.GetByRole(AriaRole.Link, new() { Name = link }).First.ClickAsync();
        await Tab.GetByRole(AriaRole.Button, new() { Name = "Open " }).ClickAsync();
        await Tab.WaitForURLAsync(url => new Uri(url).Host == app + _hosts, new() { WaitUntil = WaitUntilState.Commit });
        await Expect(Tab.Locator("body")).Not.ToBeEmptyAsync();
    }

    public async Task CloseAsync()
    {
        await Tab.CloseAsync();
        _complaints.ShouldBeEmpty();
    }

    private bool IsHome(string address, string portal) =>
        new Uri(address) is var url
            && (url.Scheme is not ("http" or "https") || url.Authority == portal || url.Host.EndsWith(_hosts, StringComparison.Ordinal));
}
