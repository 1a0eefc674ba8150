using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Pages;

/// <param name="template">Its title, as the button names it.</param>
public sealed class LaunchPage(Visit visit, string template = "Notebook")
{
    public ILocator Receipt => visit.Page.GetByRole(AriaRole.Complementary, new() { Name = "What you get" });
    public ILocator Name => visit.Page.GetByLabel("Name", new() { Exact = true });
    public ILocator LaunchButton => Receipt.GetByRole(AriaRole.Button, new() { Name = $"Launch {template}" });

    public static async Task<LaunchPage> OpenAsync(Visit visit, string query = "", string template = "Notebook")
    {
        await visit.ShowAsync($"/launch/{template.ToLowerInvariant()}{query}");
        var page = new LaunchPage(visit, template);
        await Expect(page.Receipt).ToBeVisibleAsync();
        return page;
    }

    public Task ChooseSizeAsync(string title) => visit.Page.GetByRole(AriaRole.Radio, new() { Name = title }).CheckAsync(new() { Force = true });

    /// <summary>One of a few choices of the template's own settings.</summary>
    public Task ChooseAsync(string title) => visit.Page.GetByRole(AriaRole.Radio, new() { Name = title, Exact = true }).CheckAsync(new() { Force = true });

    public Task SwitchAsync(string title) => visit.Page.GetByRole(AriaRole.Switch, new() { Name = title }).ClickAsync();

    /// <summary>A setting that is typed; the form has it once the address has.</summary>
    public async Task WriteAsync(string title, string value)
    {
        await visit.Page.GetByLabel(title).FillAsync(value);
        await visit.Page.WaitForURLAsync(url => url.Contains($"={value}", StringComparison.Ordinal));
    }

    public ILocator Setting(string title) => visit.Page.GetByLabel(title);

    /// <summary>One click for size, workers and settings.</summary>
    public Task TakePresetAsync(string title) =>
        visit.Page.GetByRole(AriaRole.Group, new() { Name = "Presets" }).GetByRole(AriaRole.Button, new() { Name = title }).ClickAsync();

    /// <summary>With the keys of the slider.</summary>
    public async Task ChooseWorkersAsync(int workers)
    {
        var slider = visit.Page.GetByRole(AriaRole.Slider, new() { Name = "Workers" });
        await slider.PressAsync("Home");
        var least = int.Parse(await slider.GetAttributeAsync("min") ?? "1", System.Globalization.CultureInfo.InvariantCulture);
        for (var n = least; n < workers; n++) await slider.PressAsync("ArrowRight");
        await Expect(Receipt.GetByRole(AriaRole.Button, new() { Name = workers == 1 ? "with 1 worker" : $"with {workers} workers" })).ToBeVisibleAsync();
    }

    public async Task CallItAsync(string name)
    {
        await Name.FillAsync(name);
        // The address contains the whole form once the server has it.
        await visit.Page.WaitForURLAsync(url => Uri.UnescapeDataString(url).Contains($"name={name}", StringComparison.Ordinal));
        await Expect(LaunchButton).ToBeEnabledAsync();
    }

    public async Task<WorkspacePage> LaunchAsync()
    {
        await Expect(LaunchButton).ToBeEnabledAsync();
        await LaunchButton.ClickAsync();
        return await WorkspacePage.ArriveAsync(visit);
    }
}
