using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>Checks for every page: nothing serious for axe, no console errors, nothing from other
/// origins, no horizontal scrolling, everything reachable by keyboard.</summary>
public sealed class EveryPage(Site site)
{
    public static IEnumerable<TheoryDataRow<string, string, string>> Pages() =>
    [
        new("home", "/", "Ada Lovelace"),
        new("home-instructor", "/", "Edsger Dijkstra"),
        new("catalog", "/catalog", "Ada Lovelace"),
        new("launch", "/launch/notebook?size=m&name=look", "Ada Lovelace"),
        new("launch-slurm", "/launch/slurm?preset=lesson&name=look", "Ada Lovelace"),
        new("guide", "/catalog/notebook", "Ada Lovelace"),
        new("templates", "/templates", "Margaret Hamilton"),
        new("operations", "/operations", "Ken Thompson"),
        new("operations-refused", "/operations", "Ada Lovelace"),
        new("workspace-missing", "/workspaces/aaaaaaaaaa", "Ada Lovelace"),
        new("not-found", "/nothing/here", "Ada Lovelace"),
        // Pages with the same layouts as those above.
        Long("launch-odd-link", "/launch/notebook?id=junk&preset=none&size=huge&workers=many&hours=x&p.nothing=1&name=look", "Ada Lovelace"),
        Long("launch-dask", "/launch/dask?preset=project&name=look", "Ada Lovelace"),
        Long("launch-spark", "/launch/spark?preset=lesson&name=look", "Ada Lovelace"),
        Long("guide-spark", "/catalog/spark", "Ada Lovelace"),
        Long("templates-refused", "/templates", "Edsger Dijkstra"),
        Long("guide-unknown", "/catalog/nothing", "Ada Lovelace"),
        Long("launch-unknown", "/launch/nothing", "Ada Lovelace"),
    ];

    private static TheoryDataRow<string, string, string> Long(string name, string path, string person) =>
        new TheoryDataRow<string, string, string>(name, path, person).WithTrait("Lane", "long");

    /// <summary>Each theme in one of the widths; the journeys cover the most important pages in all four.</summary>
    [Theory]
    [MemberData(nameof(Pages))]
    public async Task Page_BothThemesAndWidths_IsCleanAndIsDrawn(string name, string path, string person)
    {
        await using var visit = await site.LookAsync(person);
        foreach (var (theme, width) in ((string, int)[])[("light", 1280), ("dark", 390)])
        {
            await ShowAsync(visit, path, theme, width);
            await PageChecks.CheckAsync(visit, $"{name}-{width}-{theme}");
        }
        visit.Complaints.Where(c => !(name == "not-found" && c.Contains("404", StringComparison.Ordinal))).ShouldBeEmpty();
    }

    private async Task ShowAsync(Visit visit, string path, string theme, int width)
    {
        await site.ChooseThemeAsync(visit.Context, theme);
        await PageChecks.ResizeAsync(visit, width);
        await visit.ShowAsync(path);
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task SignIn_BothThemesAndWidths_IsClean(string theme)
    {
        await using var visit = await site.OpenAsync(theme);
        await visit.GoAsync("/");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Sign in" })).ToBeVisibleAsync();

        await CheckWidthsAsync(visit, "sign-in", theme);
        visit.Complaints.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task SignedOut_BothThemesAndWidths_IsCleanAndLeadsBack(string theme)
    {
        await using var visit = await site.OpenAsync(theme);
        await visit.GoAsync("/signed-out");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "You are signed out" })).ToBeVisibleAsync();

        await CheckWidthsAsync(visit, "signed-out", theme);
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Sign in again" }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Sign in" })).ToBeVisibleAsync();
        visit.Complaints.ShouldBeEmpty();
    }

    /// <summary>On an app's host the portal serves nothing but this response; the theme is the machine's.</summary>
    [Theory]
    [InlineData(ColorScheme.Light, "rgb(247, 249, 251)")]
    [InlineData(ColorScheme.Dark, "rgb(21, 28, 38)")]
    public async Task App_AnswerOfThePortalsOwn_LooksLikeItAndLeadsThere(ColorScheme scheme, string ground)
    {
        await using var visit = await site.OpenAsync();
        await visit.Page.EmulateMediaAsync(new() { ColorScheme = scheme });
        await visit.Page.GotoAsync($"http://lab--aaaaaaaaaa.apps.localhost:{site.Address.Port}/.portal/nothing",
            new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Not open here" })).ToBeVisibleAsync();
        (await visit.Page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor")).ShouldBe(ground);

        await CheckWidthsAsync(visit, "app-not-open", scheme == ColorScheme.Dark ? "dark" : "light");
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Check its status and open it again" }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Sign in" })).ToBeVisibleAsync();
    }

    private static async Task CheckWidthsAsync(Visit visit, string picture, string theme)
    {
        foreach (var width in (int[])[1280, 390])
        {
            await PageChecks.ResizeAsync(visit, width);
            await PageChecks.CheckAsync(visit, $"{picture}-{width}-{theme}");
        }
    }

    [Fact]
    public async Task Menus_Open_AreClean()
    {
        await using var visit = await site.VisitAsync("Ken Thompson");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Account: Ken Thompson" }).FocusAsync();
        await visit.Page.Keyboard.PressAsync("Enter");
        await Expect(visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = "Sign out" })).ToBeVisibleAsync();
        await PageChecks.CheckAsync(visit, "account-1280-light", "region");
        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(visit.Page.GetByRole(AriaRole.Menuitem)).ToHaveCountAsync(0);

        await visit.Page.Keyboard.PressAsync("Control+k");
        var search = visit.Page.GetByRole(AriaRole.Combobox);
        await Expect(search).ToBeFocusedAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Option, new() { Name = "Launch Notebook" })).ToBeVisibleAsync();
        await PageChecks.CheckAsync(visit, "commands-1280-light", "region");
        await search.FillAsync("opera");
        await Expect(visit.Page.GetByRole(AriaRole.Option)).ToHaveCountAsync(1);
        await visit.Page.Keyboard.PressAsync("Enter");
        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Operations", Level = 1 })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Keyboard_TabThroughHome_ReachesWhatTheEyeSees()
    {
        await using var visit = await site.VisitAsync("Grace Hopper");
        List<string> stops = [];
        // A new page puts the focus on its title; this test starts at the beginning of the document.
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Skip to content" }).FocusAsync();
        for (var i = 0; i < 40; i++)
        {
            if (i > 0) await visit.Page.Keyboard.PressAsync("Tab");
            var stop = await visit.Page.EvaluateAsync<string>(
                "() => { const e = document.activeElement; "
                + "return e === document.body ? '' : "
                + "`${getComputedStyle(e).outlineStyle} ${(e.ariaLabel ?? e.textContent).trim().replace(/\\s+/g, ' ')}`; }");
            if (stop.Length == 0) break;
            stops.Add(stop);
        }

        string[] wanted = ["Skip to content", "Campus", "Search or jump to…", "Account: Grace Hopper", "Home", "Catalogue", "See the whole catalogue"];
        foreach (var stop in wanted) stops.ShouldContain(s => s.Contains(stop, StringComparison.Ordinal), stop);
        stops.ShouldAllBe(s => s.StartsWith("solid", StringComparison.Ordinal), "every focused element has a focus ring");
    }

    [Fact]
    public async Task Launch_ChoosingOnAPhone_StaysWhereItIs()
    {
        await using var visit = await site.VisitAsync("Grace Hopper", width: 390);
        var form = await LaunchPage.OpenAsync(visit);
        await visit.Page.SetViewportSizeAsync(390, 500);
        var choice = visit.Page.GetByRole(AriaRole.Radio, new() { Name = "8 h" });
        await choice.ScrollIntoViewIfNeededAsync();
        var before = await visit.Page.EvaluateAsync<int>("() => Math.round(scrollY)");
        before.ShouldBeGreaterThan(0);

        await choice.CheckAsync(new() { Force = true });
        await visit.Page.WaitForURLAsync(url => url.Contains("hours=8", StringComparison.Ordinal));
        await Expect(form.LaunchButton).ToBeVisibleAsync();

        (await visit.Page.EvaluateAsync<int>("() => Math.round(scrollY)")).ShouldBe(before);
    }

    [Fact]
    public async Task Theme_Chosen_HoldsFromTheFirstPaint()
    {
        await using var visit = await site.VisitAsync("Grace Hopper");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Account: Grace Hopper" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = "Dark" }).ClickAsync();
        await Expect(visit.Page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");

        await visit.GoAsync("/catalog");

        // Set in the document itself, before any script has run.
        await Expect(visit.Page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");
        (await visit.Page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor")).ShouldBe("rgb(21, 28, 38)");
    }

    [Fact]
    public async Task SignOut_FromTheMenu_EndsTheVisit()
    {
        await using var visit = await site.VisitAsync("Barbara Liskov");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Account: Barbara Liskov" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = "Sign out" }).ClickAsync();
        await visit.Page.WaitForURLAsync("**/signed-out**");

        await visit.GoAsync("/");

        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Sign in" })).ToBeVisibleAsync();
    }
}
