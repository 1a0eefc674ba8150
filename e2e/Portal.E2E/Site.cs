using System.Diagnostics;
using System.Globalization;
using Microsoft.Playwright;
using Portal.E2E.Pages;

[assembly: AssemblyFixture(typeof(Portal.E2E.Site))]

namespace Portal.E2E;

/// <summary>
/// A running installation and one browser. <c>PORTAL_URL</c> is its address; with <c>PORTAL_STATE</c>, if set, a
/// test can end the web process as a crash would.
/// </summary>
public sealed class Site : IAsyncLifetime
{
    private static readonly string[] Arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private readonly Dictionary<string, string> _signedIn = new(StringComparer.Ordinal);

    public Uri Address { get; } = new(Environment.GetEnvironmentVariable("PORTAL_URL") ?? "http://portal.localhost:8080");

    public async ValueTask InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout(30_000); // five seconds are not enough on a machine that is also building images
        _playwright = await Playwright.CreateAsync();
        _browser = await BrowserAsync();
    }

    /// <summary>A browser in addition to the shared one, for tests that need other arguments; the caller disposes it.</summary>
    public Task<IBrowser> BrowserAsync(params string[] more) =>
        _playwright!.Chromium.LaunchAsync(new() { ExecutablePath = "/usr/bin/chromium", Args = [.. Arguments, .. more] });

    public Task WaitForNotebooksAsync() => WaitForAsync("Notebook");

    /// <summary>Waits until this template can be launched: images are still being built when the first test begins, one after the other.</summary>
    public async Task WaitForAsync(string template)
    {
        await using var visit = await VisitAsync("Grace Hopper");
        await new CatalogPage(visit).WaitForAsync(template, TimeSpan.FromMinutes(12));
    }

    /// <summary>Waits until no image is being built any more, so that every template is offered that can be.</summary>
    public async Task WaitForImagesAsync()
    {
        await using var visit = await VisitAsync("Grace Hopper");
        await visit.ShowAsync("/catalog");
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Article)).Not.ToHaveCountAsync(0);
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Progressbar)).ToHaveCountAsync(0, new() { Timeout = 12 * 60_000 });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _playwright?.Dispose();
    }

    /// <summary>A separate browser context in which this person is signed in and sees the home page.</summary>
    public async Task<Visit> VisitAsync(string person, string theme = "light", int width = 1280)
    {
        var visit = await OpenAsync(theme, width);
        await visit.GoAsync("/");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = $"Sign in as {person}" }).ClickAsync();
        await visit.WaitUntilLiveAsync();
        return visit;
    }

    /// <summary>A separate browser context for read-only tests: this person is signed in once for all of them.</summary>
    /// <inheritdoc cref="OpenAsync"/>
    public async Task<Visit> LookAsync(string person, IBrowser? by = null)
    {
        if (!_signedIn.TryGetValue(person, out var cookies))
        {
            await using var first = await VisitAsync(person);
            _signedIn[person] = cookies = await first.Context.StorageStateAsync();
        }
        return await OpenAsync(cookies: cookies, by: by);
    }

    /// <summary>Everyone who can sign in.</summary>
    public async Task<IReadOnlyList<string>> PeopleAsync()
    {
        await using var visit = await OpenAsync();
        await visit.GoAsync("/");
        var names = visit.Page.Locator(".people-name");
        await names.First.WaitForAsync();
        return [.. (await names.AllInnerTextsAsync()).Select(name => name.Trim())];
    }

    public Task ChooseThemeAsync(IBrowserContext context, string theme) =>
        context.AddCookiesAsync([new() { Name = "theme", Value = theme, Url = Address.AbsoluteUri }]);

    /// <summary>A separate browser context in which no one is signed in, unless the cookies say so.</summary>
    /// <param name="by">A browser other than the shared one.</param>
    public async Task<Visit> OpenAsync(string theme = "light", int width = 1280, string? cookies = null, IBrowser? by = null)
    {
        // Reduced motion, because a colour in mid-transition must not count as a violation.
        var context = await (by
            ?? _browser!).NewContextAsync(
                new()
                {
                    ReducedMotion = ReducedMotion.Reduce,
                    ViewportSize = new() { Width = width, Height = width < 500 ? 844 : 900 },
                    TimezoneId = "Europe/Berlin",
                    Locale = "en-GB",
                    AcceptDownloads = false,
                    StorageState = cookies
                });
        context.SetDefaultTimeout(30_000);
        await ChooseThemeAsync(context, theme);
        await context.AddInitScriptAsync(Visit.WatchDialogs);
        return new Visit(Address, context, await context.NewPageAsync());
    }

    /// <summary>Whether this test may end processes of the installation.</summary>
    public static bool MayCrash => Machine.IsKnown;

    /// <summary>Ends the web process immediately, as a crash would; its supervisor restarts it.</summary>
    public static void CrashWeb()
    {
        using var web = Process.GetProcessById(int.Parse(Machine.ProcessOf("web"), CultureInfo.InvariantCulture));
        web.Kill();
    }
}
