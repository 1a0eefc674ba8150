using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Pages;

public sealed class WorkspacePage(Visit visit)
{
    private const float Long = 120_000;

    private ILocator Header => visit.Page.Locator("main .page-header");
    public ILocator Status => Header.Locator(".badge");
    public ILocator Steps => visit.Page.GetByRole(AriaRole.List, new() { Name = "Steps" }).GetByRole(AriaRole.Listitem);

    /// <summary>Its rows: a header, then one for each node.</summary>
    public ILocator Nodes => visit.Page.GetByRole(AriaRole.Region, new() { Name = "Nodes" }).GetByRole(AriaRole.Row);
    public ILocator Node(string name) => Nodes.Filter(new() { Has = visit.Page.GetByRole(AriaRole.Rowheader, new() { Name = name, Exact = true }) });

    /// <summary>A number that the compute engine reports, next to its chart.</summary>
    public ILocator Count(string title) =>
        visit.Page.GetByRole(AriaRole.Figure).Filter(new() { Has = visit.Page.GetByText(title, new() { Exact = true }) }).Locator(".chart-head .num");

    /// <summary>A node's output, live, after <see cref="FollowLogAsync"/>.</summary>
    public ILocator Log => visit.Page.GetByRole(AriaRole.Region, new() { NameRegex = new("Log", RegexOptions.IgnoreCase, TimeSpan.FromSeconds(1)) });

    public Task FollowLogAsync(string node) => Log.GetByRole(AriaRole.Button, new() { Name = node }).ClickAsync();

    /// <summary>A node's whole log, as a file.</summary>
    public Task<string> DownloadLogAsync() => Log.GetByRole(AriaRole.Link).EvaluateAsync<string>("link => fetch(link.href).then(file => file.text())");

    /// <summary>From now on, keeps what the steps say about what is going on.</summary>
    public Task RecordNotesAsync() => visit.Page.EvaluateAsync("""
        () => {
          window.notes = [];
          const look = () => {
            for (const note of document.querySelectorAll(".steps .step-note")) {
              const said = note.textContent.trim();
              if (window.notes.at(-1) !== said) window.notes.push(said);
            }
          };
          look();
          new MutationObserver(look).observe(document.body, { childList: true, characterData: true, subtree: true });
        }
        """);

    /// <summary>What they have said since, in order.</summary>
    public Task<string[]> NotesAsync() => visit.Page.EvaluateAsync<string[]>("() => window.notes");

    /// <summary>Waits until a step has said this.</summary>
    public Task WaitForNoteAsync(string words) =>
        visit.Page.WaitForFunctionAsync("words => window.notes.some(n => n.includes(words))", words, new() { Timeout = Long });

    public static async Task<WorkspacePage> ArriveAsync(Visit visit)
    {
        await visit.Page.WaitForURLAsync("**/workspaces/*");
        await visit.WaitUntilLiveAsync();
        return new WorkspacePage(visit);
    }

    public static async Task<WorkspacePage> OpenAsync(Visit visit, string slug)
    {
        await visit.ShowAsync($"/workspaces/{slug}");
        return new WorkspacePage(visit);
    }

    public string Slug => new Uri(visit.Page.Url).Segments[^1];

    /// <summary>Pushed by the server, without a reload.</summary>
    public async Task WaitForStatusAsync(string word)
    {
        // A failure is final: the page's explanation is more useful than waiting two minutes.
        await Expect(Status).ToHaveTextAsync(new Regex($@"^\s*({word}|Failed)\s*$", RegexOptions.None, TimeSpan.FromSeconds(1)), new() { Timeout = Long });
        var shown = (await Status.InnerTextAsync()).Trim();
        if (shown != word) shown.ShouldBe(word, await visit.Page.Locator("main").InnerTextAsync());
    }

    public ILocator Action(string name) => Header.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    public async Task StopAsync(string name)
    {
        await Action("Stop").ClickAsync();
        await ConfirmAsync($"Stop {name}, keep files");
    }

    public async Task DeleteAsync(string name)
    {
        await visit.Page.GetByRole(AriaRole.Main).GetByRole(AriaRole.Button, new() { Name = "Delete" }).First.ClickAsync();
        await ConfirmAsync($"Delete {name}, keep files");
    }

    /// <summary>Opens the app in its own tab, as a person does.</summary>
    public async Task<LabPage> OpenLabAsync()
    {
        var tab = await visit.Context.RunAndWaitForPageAsync(() => Action("Open Notebook").ClickAsync());
        return await LabPage.ArriveAsync(tab);
    }

    /// <summary>Opens a page of the compute engine by its tile.</summary>
    public Task<EnginePage> OpenEngineAsync(string title) =>
        EnginePage.OpenAsync(visit, Slug,
            visit.Page.GetByRole(AriaRole.Region, new() { Name = "Apps" }).GetByRole(AriaRole.Button, new() { Name = $"Open {title}" }));

    /// <summary>Opens a worker's own page, which is collapsed.</summary>
    public async Task<EnginePage> OpenWorkerAsync(string title, string worker)
    {
        var pages = visit.Page.Locator(".worker-apps");
        if (await pages.GetAttributeAsync("open") is null) await pages.Locator("summary").ClickAsync();
        return await EnginePage.OpenAsync(visit, Slug,
            pages.GetByRole(AriaRole.Button, new() { NameRegex = new($"Open {title}.*{worker}", RegexOptions.None, TimeSpan.FromSeconds(1)) }));
    }

    public async Task<ILocator> OpenResizeDialogAsync()
    {
        await Action("Resize").ClickAsync();
        return visit.Page.GetByRole(AriaRole.Dialog);
    }

    /// <summary>Changes the number of workers while it is running.</summary>
    public async Task ResizeAsync(int workers)
    {
        var dialog = await OpenResizeDialogAsync();
        await dialog.GetByRole(AriaRole.Spinbutton, new() { Name = "Workers" }).FillAsync(workers.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await dialog.GetByRole(AriaRole.Button, new() { Name = workers == 1 ? "Change to 1 worker" : $"Change to {workers} workers", Exact = true })
            .ClickAsync();
        await Expect(dialog).ToHaveCountAsync(0);
    }

    /// <summary>Starts a stopped workspace again in another size, with this many workers.</summary>
    public async Task StartInAsync(string name, string size, int workers)
    {
        await Action("Start with changes…").ClickAsync();
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await dialog.Locator($"input[name=size][value={size}]").CheckAsync(new() { Force = true });
        await dialog.GetByRole(AriaRole.Slider, new() { Name = "Workers" }).FillAsync(workers.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await dialog.GetByRole(AriaRole.Button, new() { Name = $"Start {name} with {(workers == 1 ? "1 worker" : $"{workers} workers")}", Exact = true })
            .ClickAsync();
        await Expect(dialog).ToHaveCountAsync(0);
    }

    private async Task ConfirmAsync(string act)
    {
        await visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = act, Exact = true }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
    }
}
