using System.Globalization;
using System.Text.Json;
using Docker.DotNet.Models;
using Microsoft.Playwright;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit;

namespace Portal.Benchmarks.Figures;

/// <summary>
/// From an event of a node, by the container engine's timestamp, to the changed text in Chromium, by the page's own clock: the node of a Ready workspace is
/// killed and started repeatedly while its owner watches.
/// </summary>
internal sealed class Page() : Figure("page")
{
    private const double Goal = 300;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100), Patience = TimeSpan.FromSeconds(30);
    private static readonly string[] Arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync"];

    /// <summary>Records each new status text with the time at which the page changed; starts over with each document.</summary>
    private const string Observe = """
        const seen = window.statusSeen = [];
        new MutationObserver(() => {
          const word = document.querySelector('main .page-header .badge')?.innerText.trim();
          if (word && word !== seen.at(-1)?.word) seen.push({ word, at: Date.now() });
        }).observe(document, { subtree: true, childList: true, characterData: true });
        """;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        var workspace = await bench.ReadyAsync(cancel);
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = "/usr/bin/chromium", Args = Arguments });
        var page = await OpenAsync(browser, bench, await bench.ScalarAsync<string>("select slug from portal.workspaces where id = $1", cancel, workspace));
        var node = bench.It.Lab.Owned.Container(workspace,
            await bench.ScalarAsync<int>("select generation from portal.workspaces where id = $1", cancel, workspace), "notebook");
        var (containerEngine, took) = (bench.It.Lab.ContainerEngine, new Series());
        var pauses = new Random(4); // so that the events are spread between the readings of every few seconds
        for (var i = bench.Times(50, 4); i > 0; i--)
        {
            took.Add(await OnceAsync(page, containerEngine, node, "die", "Needs attention",
                () => containerEngine.CallAsync(e => e.Containers.KillContainerAsync(node, new ContainerKillParameters(), cancel), cancel), cancel));
            await Task.Delay(pauses.Next(500, 3000), cancel);
            took.Add(await OnceAsync(page, containerEngine, node, "start", "Ready",
                () => containerEngine.CallAsync(e => e.Containers.StartContainerAsync(node, new ContainerStartParameters(), cancel), cancel), cancel));
            await Task.Delay(pauses.Next(500, 3000), cancel);
        }
        await bench.DeleteAsync(workspace, cancel);
        bench.Report.Tail("container engine's event → changed DOM", took, "ms", Goal);
    }

    private static async Task<IPage> OpenAsync(IBrowser browser, Bench bench, string slug)
    {
        var context = await browser.NewContextAsync(new() { ReducedMotion = ReducedMotion.Reduce });
        await context.AddInitScriptAsync(Observe);
        var page = await context.NewPageAsync();
        await page.GotoAsync(bench.It.Address.AbsoluteUri, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in as Bench Student" }).ClickAsync();
        await page.Locator("main h1").WaitForAsync();
        await page.GotoAsync(new Uri(bench.It.Address, $"/workspaces/{slug}").AbsoluteUri, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await page.Locator("main .page-header .badge").WaitForAsync();
        return page;
    }

    /// <summary>Milliseconds from the event to the resulting text.</summary>
    private static async Task<double> OnceAsync(IPage page, ContainerEngine containerEngine, string node, string action, string word, Func<Task> act,
        CancellationToken cancel)
    {
        var since = Bench.Now;
        await act();
        double? changed = null;
        for (var start = TimeProvider.System.GetTimestamp(); changed is null; await Task.Delay(Look, TimeProvider.System, cancel))
        {
            // Not Playwright's own wait for a function, which calls eval, and the portal's content security policy forbids that.
            changed = await page.EvaluateAsync<double?>(
                "([word, since]) => window.statusSeen?.find(s => s.word === word && s.at >= since)?.at ?? null",
                new object[] { word, since.ToUnixTimeMilliseconds() });
            if (TimeProvider.System.GetElapsedTime(start) > Patience)
                throw new TimeoutException(
                    $"The page did not say \"{word}\" after {action}; it says: {await page.EvaluateAsync<string>("() => document.body.innerText")}");
        }
        return changed.Value - await StampAsync(containerEngine, node, action, since, cancel);
    }

    /// <summary>The container engine's time of the event, in milliseconds since 1970.</summary>
    private static async Task<double> StampAsync(ContainerEngine containerEngine, string node, string action, DateTimeOffset since, CancellationToken cancel)
    {
        var filters = JsonSerializer.Serialize(new Dictionary<string, string[]>(StringComparer.Ordinal) { ["container"] = [node], ["event"] = [action] });
        using var answer =
            await containerEngine.SendAsync(HttpMethod.Get,
                string.Create(CultureInfo.InvariantCulture,
                    $"events?since={Seconds(since)}&until={Seconds(Bench.Now)}&filters={Uri.EscapeDataString(filters)}"), null, stream: false, cancel);
        var line = (await answer.Content.ReadAsStringAsync(cancel)).Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];
        return JsonSerializer.Deserialize<JsonElement>(line).GetProperty("timeNano").GetInt64() / 1e6;

        static string Seconds(DateTimeOffset at) => (at.ToUnixTimeMilliseconds() / 1000.0).ToString("F3", CultureInfo.InvariantCulture);
    }
}
