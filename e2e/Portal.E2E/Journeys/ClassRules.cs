using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Portal.E2E.Journeys;

/// <summary>Rules of a class, set by the people responsible for it and read by its students.</summary>
public sealed class ClassRules(Site site)
{
    [Fact]
    public async Task IdleRule_InstructorSwitchesItOffAndOnAgain_StudentsReadIt()
    {
        const string On = "Workspaces stop after 2 h of inactivity; their files are kept.", Off = "Idle workspaces are not stopped.";
        await using var edsger = await site.VisitAsync("Edsger Dijkstra");
        await edsger.ShowAsync("/");
        await Expect(Rule(edsger)).ToContainTextAsync(On);

        await OpenDialogAsync(edsger);
        await PageChecks.CheckEverywhereAsync(edsger, "idle-rule", "region");
        await SwitchAsync(edsger);
        await Expect(Rule(edsger)).ToContainTextAsync(Off);
        await using (var ada = await site.VisitAsync("Ada Lovelace"))
        {
            await ada.ShowAsync("/");
            await Expect(Rule(ada)).ToHaveTextAsync(Off);
            ada.Complaints.ShouldBeEmpty();
        }

        await OpenDialogAsync(edsger);
        await SwitchAsync(edsger);
        await Expect(Rule(edsger)).ToContainTextAsync(On);
        edsger.Complaints.ShouldBeEmpty();
    }

    private static ILocator Rule(Visit visit) => visit.Page.Locator(".idle-rule");

    private static async Task OpenDialogAsync(Visit visit)
    {
        await Rule(visit).GetByRole(AriaRole.Button, new() { Name = "Change" }).ClickAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();
    }

    private static async Task SwitchAsync(Visit visit)
    {
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await dialog.GetByRole(AriaRole.Switch).ClickAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Save the rule" }).ClickAsync();
        await Expect(dialog).ToHaveCountAsync(0);
    }
}
