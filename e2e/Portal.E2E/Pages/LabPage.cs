using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Pages;

/// <summary>JupyterLab, on the app's own host. Found by its own class names: it gives few roles.</summary>
public sealed class LabPage(IPage tab)
{
    private const float Long = 90_000;

    public IPage Tab { get; } = tab;

    public static async Task<LabPage> ArriveAsync(IPage tab)
    {
        tab.SetDefaultTimeout(60_000);
        // Not its load event, because JupyterLab keeps requests open.
        await tab.WaitForURLAsync(url => url.Contains("://lab--", StringComparison.Ordinal), new() { Timeout = Long, WaitUntil = WaitUntilState.Commit });
        var lab = new LabPage(tab);
        await lab.WaitUntilDrawnAsync();
        return lab;
    }

    /// <summary>Waits until the splash is gone: by then the layout of the last visit is restored.</summary>
    public async Task WaitUntilDrawnAsync()
    {
        await Tab.Locator("#jp-main-dock-panel").WaitForAsync(new() { Timeout = Long });
        await Expect(Tab.Locator("#jupyterlab-splash")).ToHaveCountAsync(0, new() { Timeout = Long });
    }

    public ILocator StatusBar => Tab.Locator("#jp-main-statusbar");

    public ILocator File(string name) => Tab.Locator(".jp-DirListing-item", new() { HasTextString = name });

    /// <summary>Runs a command in a new terminal.</summary>
    public async Task TypeInTerminalAsync(string command)
    {
        await LaunchAsync("Terminal");
        // The newest; one from the last visit may be open as well.
        var terminal = Tab.Locator(".jp-Terminal:not(.lm-mod-hidden)").Last;
        await Expect(terminal.Locator(".xterm-screen")).ToBeVisibleAsync(new() { Timeout = Long });
        await terminal.Locator(".xterm-helper-textarea").FocusAsync();
        await Tab.Keyboard.TypeAsync(command + "\n", new() { Delay = 20 });
    }

    /// <summary>Opens a new notebook; its kernel starts automatically.</summary>
    public async Task NewNotebookAsync()
    {
        await LaunchAsync("Notebook");
        await Tab.Locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell").First.WaitForAsync();
    }

    /// <summary>Runs code in the last cell and waits for its output.</summary>
    public async Task ComputeAsync(string code, string output)
    {
        // A new notebook is rendered again once its kernel is there, and what was typed before is lost.
        await Expect(Tab.GetByRole(AriaRole.Button, new() { Name = "| Idle" })).ToBeVisibleAsync(new() { Timeout = Long });
        await RunAsync(code, output);
    }

    /// <summary>The same without waiting for the kernel: JupyterLab queues what is run while it
    /// reconnects to its kernel, and may call an idle one "Unknown" then.</summary>
    public async Task RunAsync(string code, string output)
    {
        var panel = Tab.Locator(".jp-NotebookPanel:not(.lm-mod-hidden)");
        var cell = panel.Locator(".jp-CodeCell .cm-content").Last;
        await cell.ClickAsync();
        await cell.PressSequentiallyAsync(code);
        await Expect(cell).ToHaveTextAsync(code);
        await cell.PressAsync("Shift+Enter");
        await Expect(panel.Locator(".jp-OutputArea-output").Last).ToHaveTextAsync(output, new() { Timeout = Long });
    }

    /// <summary>Waits until JupyterLab has noticed that its kernel does not answer.</summary>
    public Task WaitUntilCutAsync() => Expect(Tab.GetByRole(AriaRole.Button, new() { Name = "| Idle" })).ToHaveCountAsync(0, new() { Timeout = Long });

    /// <summary>Opens a file under the folder shown in the file browser, folder by folder, as a person does.</summary>
    public async Task OpenFileAsync(params string[] path)
    {
        foreach (var name in path) await Tab.Locator(".jp-DirListing-item").Filter(new() { Has = Tab.GetByText(name, new() { Exact = true }) }).DblClickAsync();
    }

    /// <summary>Runs every cell of the current notebook, and returns the output that contains these words, or the first error.</summary>
    public async Task<string> RunAllAsync(string words, float milliseconds)
    {
        await Expect(Tab.GetByRole(AriaRole.Button, new() { Name = "| Idle" })).ToBeVisibleAsync(new() { Timeout = Long });
        await ChooseAsync("Edit", "Clear Outputs of All Cells"); // from an earlier run, if it was saved
        var outputs = Tab.Locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output");
        await Expect(outputs).ToHaveCountAsync(0);
        await ChooseAsync("Run", "Run All Cells");
        var last = outputs.Filter(new() { HasTextString = words }).Or(outputs.And(Tab.Locator("[data-mime-type='application/vnd.jupyter.error']")));
        await last.First.WaitForAsync(new() { Timeout = milliseconds });
        return await last.First.InnerTextAsync();
    }

    /// <summary>Presses the file browser's own button, which requests the folder again, and awaits the response.</summary>
    public async Task RefreshFilesAsync(string folder, int status) => (await Tab.RunAndWaitForResponseAsync(
        () => Tab.GetByRole(AriaRole.Button, new() { NameRegex = new("^Refresh the file browser", RegexOptions.None, TimeSpan.FromSeconds(1)) }).ClickAsync(),
        r => new Uri(r.Url).AbsolutePath == folder)).Status.ShouldBe(status);

    /// <summary>From now on, closes each dialog of JupyterLab that is in the way.</summary>
    public Task CloseDialogsAsync() =>
        Tab.AddLocatorHandlerAsync(Tab.Locator(".jp-Dialog"), dialog => dialog.First.PressAsync("Escape"), new() { NoWaitAfter = true });

    private async Task ChooseAsync(string menu, string entry)
    {
        await Tab.GetByRole(AriaRole.Menuitem, new() { Name = menu, Exact = true }).ClickAsync();
        await Tab.GetByRole(AriaRole.Menuitem, new() { Name = entry, Exact = true }).ClickAsync();
    }

    public async Task UploadAsync(string name, string content)
    {
        var chooser = await Tab.RunAndWaitForFileChooserAsync(() => Tab.GetByRole(AriaRole.Button, new() { Name = "Upload Files" }).First.ClickAsync());
        await chooser.SetFilesAsync(new FilePayload { Name = name, MimeType = "text/plain", Buffer = System.Text.Encoding.UTF8.GetBytes(content) });
        await Expect(File(name)).ToBeVisibleAsync();
    }

    /// <summary>Saves a text file as JupyterLab's own pages do; status and message of the response.</summary>
    /// <param name="size">In bytes.</param>
    public async Task<(int Status, string Message)> SaveTextAsync(string name, int size)
    {
        var answer = await Tab.EvaluateAsync<string>("""
            async ({ name, size }) => {
              const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]+)/)?.[1] ?? "";
              const answer = await fetch(`/api/contents/${name}`, {
                method: "PUT", headers: { "Content-Type": "application/json", "X-XSRFToken": xsrf },
                body: JSON.stringify({ type: "file", format: "text", content: "x".repeat(size) }),
              });
              return `${answer.status} ${(await answer.json()).message ?? ""}`;
            }
            """, new { name, size });
        return (int.Parse(answer[..3], System.Globalization.CultureInfo.InvariantCulture), answer[4..]);
    }

    /// <summary>Closes what an earlier visit left open: a notebook that was never saved would ask for a kernel.</summary>
    public async Task ForgetLayoutAsync()
    {
        await Tab.GotoAsync(new Uri(new Uri(Tab.Url), "/lab?reset").AbsoluteUri, new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await WaitUntilDrawnAsync();
    }

    public async Task ReloadAsync()
    {
        await Tab.ReloadAsync(new() { WaitUntil = WaitUntilState.DOMContentLoaded });
        await WaitUntilDrawnAsync();
    }

    private async Task LaunchAsync(string category)
    {
        if (!await Tab.Locator(".jp-Launcher:not(.lm-mod-hidden)").IsVisibleAsync())
            await Tab.GetByRole(AriaRole.Button, new() { Name = "New Launcher" }).First.ClickAsync(); // not by keyboard shortcut: a terminal would capture it
        var cards = Tab.Locator(".jp-Launcher .jp-LauncherCard");
        var card = category == "Terminal"
            ? cards.Filter(new() { HasTextString = "Terminal" })
            : Tab.Locator(".jp-Launcher .jp-LauncherCard[data-category=Notebook]");
        await card.First.ClickAsync();
    }
}
