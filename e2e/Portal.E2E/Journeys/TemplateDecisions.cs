using Microsoft.Playwright;
using Portal.E2E.Pages;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>An operator decides what is offered and to whom; students viewing the catalogue see it without a reload.</summary>
public sealed class TemplateDecisions(Site site)
{
    private const string Why = "Take Dask this week.";

    [Fact]
    public async Task Operator_WithdrawsOffersAndChoosesClasses_StudentsSeeItAtOnce()
    {
        await site.WaitForAsync("Slurm");
        await using var ken = await site.VisitAsync("Ken Thompson");
        await using var ada = await site.VisitAsync("Ada Lovelace");
        await ada.ShowAsync("/catalog");
        await ken.ShowAsync("/templates");
        var (slurm, dialog) =
            (ken.Page.GetByRole(AriaRole.Row).Filter(new() { Has = ken.Page.GetByRole(AriaRole.Rowheader, new() { Name = "Slurm" }) }),
                ken.Page.GetByRole(AriaRole.Dialog));
        var choose = new CatalogPage(ada).Card("Slurm").GetByRole(AriaRole.Link, new() { Name = "Choose Slurm" });
        await Expect(choose).ToBeVisibleAsync();

        await slurm.GetByRole(AriaRole.Button, new() { Name = "Withdraw Slurm" }).ClickAsync();
        await Expect(dialog.GetByRole(AriaRole.Button, new() { Name = "Withdraw Slurm" })).ToBeDisabledAsync();
        await dialog.GetByLabel("Reason, shown to students").FillAsync(Why);
        await PageChecks.CheckEverywhereAsync(ken, "withdraw", "region");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Withdraw Slurm" }).ClickAsync();
        await Expect(slurm).ToContainTextAsync("Withdrawn");
        await Expect(new CatalogPage(ada).Card("Slurm")).ToContainTextAsync(Why);
        await Expect(choose).ToHaveCountAsync(0);

        await slurm.GetByRole(AriaRole.Button, new() { Name = "Offer Slurm again" }).ClickAsync();
        await Expect(choose).ToBeVisibleAsync();

        await MarkAsync();
        await Expect(slurm).ToContainTextAsync("Data science 101");
        await Expect(choose).ToBeVisibleAsync();
        await MarkAsync();
        await Expect(slurm).ToContainTextAsync("All classes");
        ken.Complaints.ShouldBeEmpty();
        ada.Complaints.ShouldBeEmpty();

        async Task MarkAsync()
        {
            await slurm.GetByRole(AriaRole.Button, new() { Name = "Choose classes for Slurm" }).ClickAsync();
            await dialog.GetByRole(AriaRole.Checkbox, new() { Name = "Data science 101" }).ClickAsync();
            await dialog.GetByRole(AriaRole.Button, new() { Name = "Offer it to" }).ClickAsync();
            await Expect(dialog).ToHaveCountAsync(0);
        }
    }
}
