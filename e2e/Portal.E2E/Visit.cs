using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E;

/// <summary>One person's browser on the portal. Records what a page should never do: log console errors, or request another origin.</summary>
public sealed class Visit : IAsyncDisposable
{
    /// <summary>Records what the live regions of the page announce, as a screen reader would: what is added to a region that already existed.</summary>
    private const string Listen = """
        () => {
          window.heard = [];
          const region = node => (node.nodeType === 1 ? node : node.parentElement)
            ?.closest("[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]");
          new MutationObserver(all => {
            for (const m of all)
              for (const node of m.type === "characterData" ? [m.target] : m.addedNodes) {
                const live = region(node);
                const is = live && (live.getAttribute("aria-live") !== "off");
                if (is && (live !== node || live.getAttribute("role") === "alert")) window.heard.push((node.textContent ?? "").replace(/\s+/g, " ").trim());
              }
          }).observe(document.body, { childList: true, characterData: true, subtree: true });
        }
        """;

    /// <summary>A dialog with inputs whose button does not announce it: <see cref="Journeys.SlowConnections"/> would not find them.</summary>
    public const string WatchDialogs = """
        let opener = null;
        addEventListener("click", e => { opener = e.target.closest?.("button, a, [role=menuitem]") ?? opener; }, true);
        new MutationObserver(() => {
          const dialog = document.querySelector("[role=dialog]:has(input, textarea, select):not([data-judged])");
          if (!dialog || !document.querySelector(".shell")) return;
          dialog.dataset.judged = "";
          if (opener && opener.ariaHasPopup !== "dialog" && !dialog.contains(opener))
            console.error(`opens a dialog without aria-haspopup: ${opener.outerHTML}`);
        }).observe(document, { childList: true, subtree: true });
        """;

    private readonly List<string> _complaints = [];
    private readonly Uri _site;

    public Visit(Uri site, IBrowserContext context, IPage page)
    {
        (_site, Context, Page) = (site, context, page);
        Watch(page);
    }

    public IBrowserContext Context { get; }
    public IPage Page { get; }

    /// <summary>Console errors, failed scripts, blocked content and requests to other origins so far.</summary>
    public IReadOnlyList<string> Complaints => _complaints;

    /// <summary>
    /// Opens an address. Retried if the network changed in the meantime: each container network that appears or disappears makes
    /// Chromium abort what it is loading (ERR_NETWORK_CHANGED), which does not happen on a person's machine.
    /// </summary>
    public async Task GoAsync(string path)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await Page.GotoAsync(new Uri(_site, path).AbsoluteUri, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
                return;
            }
            catch (PlaywrightException e)
                when (attempt < 5
                    && (e.Message.Contains("ERR_NETWORK_CHANGED", StringComparison.Ordinal) || e.Message.Contains("ERR_ABORTED", StringComparison.Ordinal)))
            {
            }
        }
    }

    /// <summary>Opens a page of the portal and waits until its circuit has rendered it.</summary>
    public async Task ShowAsync(string path)
    {
        await GoAsync(path);
        await WaitUntilLiveAsync();
    }

    public async Task WaitUntilLiveAsync()
    {
        await Page.Locator(".shell").WaitForAsync();
        await Expect(Page.Locator("main h1")).ToBeVisibleAsync();
        await Expect(Page.Locator("main .fetching")).ToHaveCountAsync(0);
    }

    /// <summary>Hears from now on what the page announces.</summary>
    public Task ListenAsync() => Page.EvaluateAsync(Listen);

    /// <summary>Waits until these words have been announced since <see cref="ListenAsync"/>.</summary>
    public Task HearsAsync(string words) =>
        Page.WaitForFunctionAsync("words => (window.heard ?? []).some(h => h.includes(words))", words, new() { Timeout = 60_000 });

    public async ValueTask DisposeAsync() => await Context.DisposeAsync();

    private void Watch(IPage page)
    {
        page.Console += (_, m) => { if (m.Type == "error" && !OfTheNetwork(m.Text)) _complaints.Add($"console: {m.Text}"); };
        page.PageError += (_, e) => _complaints.Add($"script: {e}");
        page.Request += (_, r) =>
        {
            var url = new Uri(r.Url);
            if (url.Scheme is "http" or "https" && url.Authority != _site.Authority) _complaints.Add($"asked {url.Authority}");
        };
    }

    // What GoAsync retries, and what a reconnecting circuit causes.
    private static bool OfTheNetwork(string text) =>
        text.Contains("ERR_NETWORK_CHANGED", StringComparison.Ordinal)
            || text.Contains("WebSocket", StringComparison.Ordinal)
            || text.Contains("ERR_CONNECTION_REFUSED", StringComparison.Ordinal);
}
