using System.Runtime.CompilerServices;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Portal.E2E;

/// <summary>Requirements for every page, and its screenshot in e2e/screenshots for visual review.</summary>
public static class PageChecks
{
    private static readonly AxeRunOptions Wcag =
        new() { RunOnly = new() { Type = "tag", Values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] } };

    /// <summary>Nothing serious for axe, no horizontal scrolling.</summary>
    /// <param name="except">A rule that a part of MudBlazor cannot meet, named where it is used.</param>
    public static async Task CheckAsync(Visit visit, string picture, params string[] except)
    {
        var page = visit.Page;
        await page.EvaluateAsync("() => document.fonts.ready.then(() => true)");
        await page.ScreenshotAsync(new() { Path = Picture(picture), FullPage = true, Animations = Microsoft.Playwright.ScreenshotAnimations.Disabled });
        (await page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, $"{picture} scrolls sideways");
        var found = await page.RunAxe(Wcag);
        found.Violations.Where(v => v.Impact is "serious" or "critical" || (v.Impact is "moderate" && !except.Contains(v.Id, StringComparer.Ordinal)))
            .Select(v => $"{v.Impact} {v.Id}: {string.Join(" | ", v.Nodes.Take(3).Select(n => n.Html))}").ShouldBeEmpty(picture);
    }

    /// <summary>A phone below 500, a laptop above.</summary>
    public static Task ResizeAsync(Visit visit, int width) => visit.Page.SetViewportSizeAsync(width, width < 500 ? 844 : 900);

    /// <summary>The page as it is, in both themes and both widths, without a reload.</summary>
    public static async Task CheckEverywhereAsync(Visit visit, string picture, params string[] except)
    {
        foreach (var theme in (string[])["dark", "light"])
        {
            // Pages outside the site follow the browser.
            await visit.Page.EmulateMediaAsync(new() { ColorScheme = theme == "dark" ? ColorScheme.Dark : ColorScheme.Light });
            await visit.Page.EvaluateAsync("theme => window.portal?.chooseTheme(theme)", theme);
            foreach (var width in (int[])[390, 1280])
            {
                await ResizeAsync(visit, width);
                await CheckAsync(visit, $"{picture}-{width}-{theme}", except);
            }
        }
    }

    /// <summary>Path of a screenshot.</summary>
    public static string Picture(string name) => Path.Combine(Folder(), name + ".png");

    private static string Folder([CallerFilePath] string here = "") =>
        Directory.CreateDirectory(Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../screenshots"))).FullName;
}
