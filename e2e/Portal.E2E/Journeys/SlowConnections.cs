using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>On a slow connection, what a person types belongs to the browser: no response from the server removes a character.</summary>
public sealed class SlowConnections(Site site)
{
    private const string Written = "input:not([type=hidden], [type=radio], [type=checkbox], [type=range]), textarea";
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(150);

    /// <summary>A path, and what shows the fields there; null if they are on the page.</summary>
    private static readonly (string Person, string Path, Func<IPage, Task>? Open)[] Places =
    [
        ("Ada Lovelace", "/", page => page.Keyboard.PressAsync("Control+k")),
        ("Ada Lovelace", "/launch/notebook?name=look", null),
        ("Ada Lovelace", "/launch/dask?name=look", null),
        ("Ada Lovelace", "/launch/slurm?name=look", null),
        ("Edsger Dijkstra", "/", OpenIdleRuleAsync),
        ("Ken Thompson", "/templates", page => page.Locator(".template-actions button").First.ClickAsync()),
    ];

    /// <summary>Their forms are there only where their images are built, in lane long.</summary>
    private static readonly (string Person, string Path, Func<IPage, Task>? Open)[] OtherForms =
        [("Ada Lovelace", "/launch/spark?name=look", null), ("Ada Lovelace", "/launch/hadoop?name=look", null)];

    [Fact, Trait("Lane", "long")]
    public Task EveryField_TypedInFarAway_KeepsEachLetter() => TypeEverywhereAsync(Places, least: 6);

    [Fact, Trait("Lane", "long")]
    public Task FieldsOfOtherForms_TypedInFarAway_KeepEachLetter() => TypeEverywhereAsync(OtherForms, least: 2);

    private async Task TypeEverywhereAsync((string Person, string Path, Func<IPage, Task>? Open)[] places, int least)
    {
        await using var line = SlowConnection.To(site.Address.Port, RoundTrip);
        await using var browser = await site.BrowserAsync($"--host-resolver-rules=MAP {site.Address.Host}:{site.Address.Port} 127.0.0.1:{line.Port}");
        List<string> lost = [];
        var typed = 0;
        foreach (var (person, path, open) in places)
        {
            await using var visit = await site.LookAsync(person, browser);
            await visit.ShowAsync(path);
            if (open is not null)
            {
                await open(visit.Page);
                await Expect(visit.Page.GetByRole(AriaRole.Dialog).Locator(Written)).Not.ToHaveCountAsync(0);
            }
            typed += await TypeAsync(visit.Page, path, lost);
        }

        lost.ShouldBeEmpty();
        line.Taken.ShouldBeGreaterThan(0);
        typed.ShouldBeGreaterThanOrEqualTo(least, "fields that were tried");
    }

    /// <summary>Fields that only a workspace page has: the search of its logs, and the number of its workers.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task FieldsOfAWorkspace_TypedInFarAway_KeepEachLetter()
    {
        await site.WaitForAsync("Dask");
        await using var line = SlowConnection.To(site.Address.Port, RoundTrip);
        await using var browser = await site.BrowserAsync($"--host-resolver-rules=MAP {site.Address.Host}:{site.Address.Port} 127.0.0.1:{line.Port}");
        await using var visit = await site.LookAsync("Barbara Liskov", browser);
        await new HomePage(visit).ClearAsync();
        var workspace = await (await LaunchPage.OpenAsync(visit, "?size=s&workers=1&name=far", "Dask")).LaunchAsync();
        await workspace.WaitForStatusAsync("Ready");
        List<string> lost = [];
        await visit.Page.Locator(".log-head").Last.ClickAsync();
        (await TypeAsync(visit.Page, "the log", lost)).ShouldBeGreaterThan(0);
        await workspace.OpenResizeDialogAsync();
        (await TypeAsync(visit.Page.GetByRole(AriaRole.Dialog), visit.Page, "resize", lost)).ShouldBe(1);

        lost.ShouldBeEmpty();
        await visit.Page.Keyboard.PressAsync("Escape");
        await workspace.DeleteAsync("far");
        await workspace.WaitForStatusAsync("Deleted");
    }

    /// <summary>The entry selected by the first letters is the one shown: Enter goes where the whole word leads.</summary>
    [Fact]
    public async Task Commands_TypedAndEnteredFarAway_GoWhereTheWordLeads()
    {
        await using var line = SlowConnection.To(site.Address.Port, RoundTrip);
        await using var browser = await site.BrowserAsync($"--host-resolver-rules=MAP {site.Address.Host}:{site.Address.Port} 127.0.0.1:{line.Port}");
        await using var visit = await site.LookAsync("Ada Lovelace", browser);
        await visit.ShowAsync("/");
        await visit.Page.Keyboard.PressAsync("Control+k");
        await Expect(visit.Page.GetByRole(AriaRole.Combobox)).ToBeFocusedAsync();

        await visit.Page.Keyboard.TypeAsync("catalogue", new() { Delay = 40 });
        await visit.Page.Keyboard.PressAsync("Enter");

        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Catalogue", Level = 1 })).ToBeVisibleAsync();
        line.Taken.ShouldBeGreaterThan(0);
    }

    private static async Task OpenIdleRuleAsync(IPage page)
    {
        await page.Locator(".idle-rule button").First.ClickAsync();
        var on = page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Switch);
        if (!await on.IsCheckedAsync()) await on.ClickAsync();
    }

    private static async Task<int> TypeAsync(IPage page, string where, List<string> lost)
    {
        var dialog = page.GetByRole(AriaRole.Dialog);
        return await TypeAsync(await dialog.CountAsync() > 0 ? dialog : page.Locator("main"), page, where, lost);
    }

    /// <summary>Types into each field quickly, then with pauses between letters, and returns how many fields there were.</summary>
    private static async Task<int> TypeAsync(ILocator part, IPage page, string where, List<string> lost)
    {
        var visible = part.Locator(Written).Filter(new() { Visible = true });
        await Expect(visible).Not.ToHaveCountAsync(0); // what the page loads arrives late on this line
        // A dialog takes the focus a round trip after it is seen; nobody is faster than that.
        if (await page.GetByRole(AriaRole.Dialog).CountAsync() > 0) await Expect(page.Locator("[role=dialog]:focus-within")).ToHaveCountAsync(1);
        var fields = await visible.AllAsync();
        foreach (var field in fields)
        {
            var numeric = await field.GetAttributeAsync("type") is "number" || await field.GetAttributeAsync("inputmode") is "numeric";
            foreach (var (word, pause) in ((string, int)[])[(numeric ? "12345678" : "catalogue and more", 40), (numeric ? "8765" : "thought", 330)])
            {
                await field.FocusAsync();
                await page.Keyboard.PressAsync("Control+a");
                await page.Keyboard.TypeAsync(word, new() { Delay = pause });
                try { await Expect(field).ToHaveValueAsync(word, new() { Timeout = 3_000 }); }
                catch (PlaywrightException)
                {
                    var name = await field.GetAttributeAsync("aria-label") ?? await field.GetAttributeAsync("id");
                    lost.Add($"{where}: {name}: “{word}” became “{await field.InputValueAsync()}”");
                }
            }
        }
        return fields.Count;
    }
}
