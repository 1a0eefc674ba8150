using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>On a slow connection, what a person enters belongs to the browser: no response from the server removes or takes back anything.</summary>
public sealed class SlowConnections(Site site)
{
    private const string Opens = "[aria-haspopup=dialog]:enabled:visible";
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(150);

    /// <param name="Opener">Number of the button that opens the dialog with the inputs; null if they are on the page.</param>
    private sealed record Place(string Person, string Path, int? Opener);

    /// <summary>Walks all pages that each person can reach, with their dialogs, and operates every input that is found there.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task EveryInputOfEveryPage_UsedFarAway_KeepsWhatWasDone()
    {
        await site.WaitForImagesAsync();
        HashSet<string> known = [];
        List<Place> places = [];
        foreach (var person in await site.PeopleAsync()) places.AddRange(await WalkAsync(person, ["/"], known));

        await TryEverywhereAsync(places, ["text", "number", "slider", "radios", "switch"]);
    }

    /// <summary>The inputs that only a workspace has: those of its logs and of its dialogs, while it runs and once it is stopped.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task EveryInputOfAWorkspace_UsedFarAway_KeepsWhatWasDone()
    {
        const string person = "Barbara Liskov";
        await site.WaitForAsync("Dask");
        await using var visit = await site.LookAsync(person);
        await new HomePage(visit).ClearAsync();
        var workspace = await (await LaunchPage.OpenAsync(visit, "?size=s&workers=1&name=far", "Dask")).LaunchAsync();
        await workspace.WaitForStatusAsync("Ready");
        string[] path = [$"/workspaces/{workspace.Slug}"];
        HashSet<string> known = [];
        await TryEverywhereAsync(await WalkAsync(person, path, known), ["text", "switch", "number"]);

        await workspace.StopAsync("far");
        await workspace.WaitForStatusAsync("Stopped");
        await TryEverywhereAsync(await WalkAsync(person, path, known), ["radios", "slider"]);
        await workspace.DeleteAsync("far");
        await workspace.WaitForStatusAsync("Deleted");
    }

    /// <summary>Follows every link from these pages, and opens every dialog. Returns the places with inputs that are not known yet.</summary>
    private async Task<IReadOnlyList<Place>> WalkAsync(string person, IReadOnlyList<string> begin, HashSet<string> known)
    {
        List<Place> places = [];
        await using var visit = await site.LookAsync(person);
        var (ahead, seen) = (new Queue<string>(begin), begin.ToHashSet(StringComparer.Ordinal));
        while (ahead.TryDequeue(out var path))
        {
            await visit.ShowAsync(path);
            if (await HasNewAsync(visit.Page.Locator(".shell"), path, path)) places.Add(new(person, path, null));
            for (var n = 0; n < await visit.Page.Locator(Opens).CountAsync(); n++)
            {
                var dialog = await OpenAsync(visit.Page, n);
                if (await HasNewAsync(dialog, path, "")) places.Add(new(person, path, n));
                await visit.Page.Keyboard.PressAsync("Escape");
                await Expect(dialog).ToHaveCountAsync(0);
            }
            if (begin is not ["/"]) continue; // the test's own pages only
            var links = await visit.Page.EvaluateAsync<string[]>(
                "() => [...document.querySelectorAll('a[href]:not([target], [download])')].filter(a => a.origin === location.origin).map(a => a.pathname)");
            foreach (var link in links.Where(l => !l.StartsWith("/workspaces/", StringComparison.Ordinal)))
                if (seen.Add(link)) ahead.Enqueue(link);
        }
        seen.Count.ShouldBeGreaterThanOrEqualTo(begin is ["/"] ? 3 : 1, $"pages that {person} reaches");
        return places;

        async Task<bool> HasNewAsync(ILocator part, string page, string where)
        {
            await ShowAllAsync(part);
            var inputs = await Inputs.FindAsync(part);
            inputs.Where(i => i.Kind == "unknown").ShouldBeEmpty($"inputs of {page} that no one knows how to try");
            return inputs.Select(i => known.Add($"{where} {i.Kind} {i.Name}")).ToList().Contains(true);
        }
    }

    private async Task TryEverywhereAsync(IReadOnlyList<Place> places, string[] kinds)
    {
        await using var line = SlowConnection.To(site.Address.Port, RoundTrip);
        await using var browser = await FarAwayAsync(line);
        List<string> lost = [];
        HashSet<string> tried = [];
        foreach (var place in places)
        {
            await using var visit = await site.LookAsync(place.Person, browser);
            await visit.Page.AddInitScriptAsync(Inputs.Watch);
            await visit.ShowAsync(place.Path);
            await line.RestAsync();
            var part = place.Opener is { } n ? await OpenAsync(visit.Page, n) : visit.Page.Locator(".shell");
            await ShowAllAsync(part);
            HashSet<string> here = [];
            // One at a time: an input may show others.
            while ((await Inputs.FindAsync(part)).FirstOrDefault(i => !here.Contains(i.Selector)) is { } input)
            {
                here.Add(input.Selector);
                tried.Add(input.Kind);
                TestContext.Current.SendDiagnosticMessage($"{place.Path} {place.Opener}: {input.Kind} {input.Name}");
                lost.AddRange((await new InputTrial(input, visit.Page, line).RunAsync()).Select(l => $"{place.Path}, {input.Kind} “{input.Name}”: {l}"));
            }
            here.ShouldNotBeEmpty(place.ToString());
            if (place is { Opener: null } && place.Path.StartsWith("/launch/", StringComparison.Ordinal)) await ServerMustKnowAsync(visit, part, lost);
        }
        lost.ShouldBeEmpty();
        line.Taken.ShouldBeGreaterThan(0);
        tried.ShouldBeSubsetOf(["text", "number", "slider", "radios", "switch", "select"]);
        kinds.ShouldBeSubsetOf(tried, "kinds that were tried");
    }

    /// <summary>The address has the whole form: opened again, it shows what was there.</summary>
    private static async Task ServerMustKnowAsync(Visit visit, ILocator part, List<string> lost)
    {
        var before = await Inputs.ReadAsync(part);
        await visit.Page.ReloadAsync();
        await visit.WaitUntilLiveAsync();
        await Expect(part.Locator(".receipt .facts")).ToBeVisibleAsync();
        var after = await Inputs.ReadAsync(part);
        lost.AddRange(before.Except(after).Select(b => $"{visit.Page.Url}: the server does not know “{b}”"));
    }

    private Task<IBrowser> FarAwayAsync(SlowConnection line) =>
        site.BrowserAsync($"--host-resolver-rules=MAP {site.Address.Host}:{site.Address.Port} 127.0.0.1:{line.Port}");

    private static async Task<ILocator> OpenAsync(IPage page, int n)
    {
        await page.Locator(Opens).Nth(n).ClickAsync();
        // A dialog takes the focus a round trip after it is seen; nobody is faster than that.
        await Expect(page.Locator("[role=dialog]:focus-within")).ToHaveCountAsync(1, new() { Timeout = 20_000 });
        return page.GetByRole(AriaRole.Dialog);
    }

    /// <summary>Shows what is folded away, and the first log that can be followed.</summary>
    private static async Task ShowAllAsync(ILocator part)
    {
        var log = part.Locator(".pill[aria-pressed]");
        if (await log.CountAsync() > 0)
        {
            await log.First.ClickAsync();
            await Expect(log.First).ToHaveAttributeAsync("aria-pressed", "true");
        }
        await part.Locator("details").EvaluateAllAsync<object?>("all => all.forEach(d => { d.open = true; })");
    }

    /// <summary>The entry selected by the first letters is the one shown: Enter goes where the whole word leads.</summary>
    [Fact]
    public async Task Commands_TypedAndEnteredFarAway_GoWhereTheWordLeads()
    {
        await using var line = SlowConnection.To(site.Address.Port, RoundTrip);
        await using var browser = await FarAwayAsync(line);
        await using var visit = await site.LookAsync("Ada Lovelace", browser);
        await visit.ShowAsync("/");
        await visit.Page.Keyboard.PressAsync("Control+k");
        await Expect(visit.Page.GetByRole(AriaRole.Combobox)).ToBeFocusedAsync();

        await visit.Page.Keyboard.TypeAsync("catalogue", new() { Delay = 40 });
        await visit.Page.Keyboard.PressAsync("Enter");

        await Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Catalogue", Level = 1 })).ToBeVisibleAsync();
        line.Taken.ShouldBeGreaterThan(0);
    }
}
