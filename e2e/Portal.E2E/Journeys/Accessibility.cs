using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>Without sight, or without colours: what is announced, where the focus is, what stays visible.</summary>
public sealed class Accessibility(Site site)
{
    [Fact]
    public async Task Tab_OnAFreshPage_ReachesTheSkipLinkFirstAndLeadsToThePage()
    {
        await using var visit = await site.LookAsync("Grace Hopper");
        foreach (var path in (string[])["/", "/catalog", "/launch/notebook?name=look", "/catalog/notebook"])
        {
            await visit.ShowAsync(path);
            await visit.Page.Keyboard.PressAsync("Tab");
            (await FocusedAsync(visit)).ShouldBe("A Skip to content", path);
            await visit.Page.Keyboard.PressAsync("Enter");
            await Expect(visit.Page.Locator("main")).ToBeFocusedAsync();
        }
    }

    [Fact]
    public async Task Navigation_InsideTheSite_BeginsAtTheNewTitle()
    {
        await using var visit = await site.LookAsync("Grace Hopper");
        await visit.ShowAsync("/");

        await visit.Page.GetByRole(AriaRole.Navigation, new() { Name = "Main" }).GetByRole(AriaRole.Link, new() { Name = "Catalogue" }).ClickAsync();

        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Catalogue", Level = 1 })).ToBeFocusedAsync();
    }

    /// <summary>One live region announces the totals of a choice; its first contents are read as part of the page.</summary>
    [Fact]
    public async Task Receipt_Changed_IsAnnounced()
    {
        await using var visit = await site.LookAsync("Grace Hopper");
        await LaunchPage.OpenAsync(visit, "?size=s&name=heard");
        await Expect(visit.Page.Locator("[data-live]")).ToHaveCountAsync(1);
        await visit.ListenAsync();

        await visit.Page.GetByRole(AriaRole.Radio, new() { Name = "Medium" }).CheckAsync(new() { Force = true });
        await visit.HearsAsync("2 vCPU · 2 GiB. It fits. It starts");
        await visit.Page.GetByLabel("Name", new() { Exact = true }).FillAsync("-");
        await visit.HearsAsync("begin and end with a letter or digit");
    }

    /// <summary>A whole lifecycle with screen reader and keyboard: ready, stopped and started are announced, and the focus is never lost.</summary>
    [Fact]
    public async Task Workspace_FromLaunchToDeleted_IsHeardAndKeepsTheFocus()
    {
        await site.WaitForNotebooksAsync();
        await using var visit = await site.VisitAsync("Barbara Liskov");
        await new HomePage(visit).ClearAsync();
        var form = await LaunchPage.OpenAsync(visit, "?size=s&name=by-ear");
        await visit.ListenAsync();
        var page = await form.LaunchAsync();
        await visit.HearsAsync("by-ear is ready.");
        await page.WaitForStatusAsync("Ready");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeFocusedAsync();

        await CheckAppPageAsync(visit, $"/workspaces/{page.Slug}/open/lab", "Open Notebook?", "open-app");

        await PressAsync(visit, page.Action("Stop"));
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
        await PageChecks.CheckAsync(visit, "dialog-stop-1280-light", "region");
        await PressAsync(visit, visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Stop by-ear, keep files" }));
        await visit.HearsAsync("by-ear is stopped.");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeFocusedAsync();
        await CheckAppPageAsync(visit, $"http://lab--{page.Slug}.apps.localhost:{site.Address.Port}/lab", "Stopped", "app-stopped");

        await PressAsync(visit, page.Action("Start with changes…"));
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
        await PageChecks.CheckAsync(visit, "dialog-start-1280-light", "region");
        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(page.Action("Start with changes…")).ToBeFocusedAsync();

        await PressAsync(visit, page.Action("Start"));
        await page.WaitForStatusAsync("Ready");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeFocusedAsync();

        // As if its start had failed.
        Machine.Sql($"""
            update portal.runs set phase = 'Failed', failed_step = 'EnsureCluster', cause = 'The engine has no room left.',
              remedy = 'Tell the operator.'
            where workspace_id = (select id from portal.workspaces where slug = '{page.Slug}') and kind = 'Start'
            """);
        await page.WaitForStatusAsync("Failed");
        await visit.HearsAsync("by-ear failed. Its page says why.");
        await PageChecks.CheckEverywhereAsync(visit, "workspace-failed");
        await CheckAppPageAsync(visit, $"/workspaces/{page.Slug}/open/lab", "It did not start", "app-failed");
        await CheckAppPageAsync(visit, "/", null, "home-failed");

        await PressAsync(visit, visit.Page.GetByRole(AriaRole.Button, new() { Name = "Delete by-ear, keep files" }));
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
        await PageChecks.CheckAsync(visit, "dialog-delete-1280-light", "region");
        await PressAsync(visit, visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Delete by-ear, keep files" }));
        await Expect(page.Status).Not.ToHaveTextAsync("Failed");
        await page.WaitForStatusAsync("Deleted");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeFocusedAsync();
        visit.Complaints.ShouldBeEmpty();
    }

    /// <summary>By keyboard from the menu of its card: the focus stays in the card, and goes to the page's title when the card is gone.</summary>
    [Fact]
    public async Task Card_StoppedAndDeletedFromItsMenu_KeepsTheFocus()
    {
        await site.WaitForNotebooksAsync();
        await using var visit = await site.VisitAsync("Barbara Liskov");
        var home = new HomePage(visit);
        await home.ClearAsync();
        var page = await (await LaunchPage.OpenAsync(visit, "?size=s&name=carded")).LaunchAsync();
        await page.WaitForStatusAsync("Ready");
        await visit.ShowAsync("/");
        var card = home.Card("carded");
        await visit.ListenAsync();

        await ChooseAsync("Stop");
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        await FocusStaysInAsync(card);
        await visit.HearsAsync("carded is stopped.");
        await FocusStaysInAsync(card);

        await ChooseAsync("Delete");
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        await Expect(card).ToHaveCountAsync(0, new() { Timeout = 60_000 });
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToBeFocusedAsync();
        visit.Complaints.ShouldBeEmpty();

        async Task ChooseAsync(string what)
        {
            await PressAsync(visit, card.GetByRole(AriaRole.Button, new() { Name = "More actions for carded" }));
            var item = visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = what, Exact = true });
            await Expect(item).ToBeVisibleAsync();
            await PressAsync(visit, item);
            var act = visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = $"{what} carded, keep files" });
            await Expect(act).ToBeVisibleAsync();
            await PressAsync(visit, act);
        }

        Task FocusStaysInAsync(ILocator part) => Expect(part.Locator(":focus")).ToHaveCountAsync(1);
    }

    /// <summary>A page in another tab.</summary>
    /// <param name="title">Its heading; null for any.</param>
    private async Task CheckAppPageAsync(Visit visit, string address, string? title, string picture)
    {
        var tab = await visit.Context.NewPageAsync();
        var other = new Visit(site.Address, visit.Context, tab);
        await other.GoAsync(address);
        await Expect(tab.GetByRole(AriaRole.Heading, new() { Level = 1, Name = title })).ToBeVisibleAsync();
        await PageChecks.CheckEverywhereAsync(other, picture);
        await tab.CloseAsync();
    }

    /// <summary>Selected, current and primary elements in forced colours: they differ from the others.</summary>
    [Fact]
    public async Task ForcedColours_SelectedPrimaryAndCurrent_StayVisible()
    {
        await using var visit = await site.LookAsync("Grace Hopper");
        await visit.Page.EmulateMediaAsync(new() { ForcedColors = ForcedColors.Active });
        await visit.ShowAsync("/launch/dask?preset=project&name=look");
        await Expect(visit.Page.Locator(".receipt .facts")).ToBeVisibleAsync();
        await visit.Page.ScreenshotAsync(new() { Path = PageChecks.Picture("launch-forced"), FullPage = true });
        await DiffersAsync(visit, ".choice:has(input:checked) > span", ".choice:not(.choice-off):has(input:not(:checked)) > span");
        await DiffersAsync(visit, ".preset[aria-pressed=true]", ".preset[aria-pressed=false]");
        await visit.ShowAsync("/catalog");
        await visit.Page.ScreenshotAsync(new() { Path = PageChecks.Picture("catalog-forced"), FullPage = true });
        await DiffersAsync(visit, ".rail-link.active", ".rail-link:not(.active)");
        await visit.ShowAsync("/launch/notebook?name=look");
        await Expect(visit.Page.Locator(".receipt .facts")).ToBeVisibleAsync();
        await DiffersAsync(visit, ".receipt button[type=submit]", ".search");
        await visit.Page.Keyboard.PressAsync("Control+k");
        await DiffersAsync(visit, ".command[aria-selected=true]", ".command[aria-selected=false]");
    }

    /// <summary>400 % zoom on a laptop: one column of 320 px and no horizontal scrolling.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task EveryPage_At320Pixels_DoesNotScrollSideways()
    {
        List<string> wide = [];
        foreach (var (name, path, person) in EveryPage.Pages().Select(p => p.Data))
        {
            await using var visit = await site.LookAsync(person);
            await visit.Page.SetViewportSizeAsync(320, 640);
            await visit.ShowAsync(path);
            await visit.Page.ScreenshotAsync(new() { Path = PageChecks.Picture($"{name}-320"), FullPage = true });
            var over = await visit.Page.EvaluateAsync<string>("""
                () => document.documentElement.scrollWidth <= innerWidth ? "" : [...document.querySelectorAll("main *, header *")]
                  .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll-x, pre, .log-lines"))
                  .slice(0, 3).map(e => `${e.tagName}.${e.className}`).join(", ") || "something"
                """);
            if (over.Length > 0) wide.Add($"{name}: {over}");
        }
        wide.ShouldBeEmpty();
    }

    /// <summary>Dialogs that need no workspace.</summary>
    [Theory, Trait("Lane", "long")]
    [InlineData("idle-rule", "/", "Edsger Dijkstra", ".idle-rule button")]
    [InlineData("deprecate", "/templates", "Ken Thompson", ".template-actions button")]
    [InlineData("restrict", "/templates", "Ken Thompson", ".template-actions button + button")]
    public async Task Dialog_Open_IsCleanAndGivesTheFocusBack(string name, string path, string person, string opener)
    {
        await using var visit = await site.LookAsync(person);
        await visit.ShowAsync(path);
        var button = visit.Page.Locator(opener).First;
        await PressAsync(visit, button);
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();

        await PageChecks.CheckEverywhereAsync(visit, $"dialog-{name}", "region");

        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        await Expect(button).ToBeFocusedAsync();
    }

    private static async Task PressAsync(Visit visit, ILocator button)
    {
        await button.FocusAsync();
        await visit.Page.Keyboard.PressAsync("Enter");
    }

    private static Task<string> FocusedAsync(Visit visit) =>
        visit.Page.EvaluateAsync<string>(
            "() => { const e = document.activeElement; return `${e.tagName} ${e === document.body ? '' : e.textContent.trim()}`; }");

    /// <summary>By the properties that forced colours leave: background, border and outline.</summary>
    private static async Task DiffersAsync(Visit visit, string marked, string plain)
    {
        var looks = new List<string>();
        foreach (var selector in (string[])[marked, plain])
        {
            var part = visit.Page.Locator(selector).First;
            await Expect(part).ToBeVisibleAsync();
            looks.Add(await part.EvaluateAsync<string>(
                "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.borderTopColor, s.borderTopWidth, s.outlineStyle].join(' '); }"));
        }
        looks[0].ShouldNotBe(looks[1], $"{marked} beside {plain}");
    }
}
