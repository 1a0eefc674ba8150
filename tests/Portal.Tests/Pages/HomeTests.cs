using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Workspaces;
using Portal.Features.Home;
using Portal.Features.Workspaces;

namespace Portal.Tests.Pages;

public sealed class HomeTests : PageTest
{
    [Theory]
    [InlineData(WorkspaceStatus.Ready, "Open notebook-1")]
    [InlineData(WorkspaceStatus.Stopped, "Start notebook-1")]
    [InlineData(WorkspaceStatus.Failed, "See what happened")]
    [InlineData(WorkspaceStatus.Starting, "See progress")]
    [InlineData(WorkspaceStatus.Queued, "See queue position")]
    public void WorkspaceCard_EachStatus_HasOneThingToDo(WorkspaceStatus status, string act)
    {
        var card = Render<WorkspaceCard>(p => p.Add(c => c.Workspace, Views.Workspace(status)));

        card.Find(".card-action").TextContent.Trim().ShouldBe(act);
        card.Find("h3 a").GetAttribute("href").ShouldBe("workspaces/abcdefghij");
    }

    [Fact]
    public void WorkspaceCard_Ready_ShowsItsMeter() =>
        Render<WorkspaceCard>(p => p.Add(c => c.Workspace, Views.Workspace(WorkspaceStatus.Ready))).Find(".card-size").TextContent.ShouldBe(
            "CPU 25% · 512 MiB of 2 GiB");

    [Fact]
    public async Task WorkspaceCard_MenuDelete_AsksForIt()
    {
        List<WorkspaceActionRequest> requests = [];
        var card = Render<WorkspaceCard>(p =>
            p.Add(c => c.Workspace, Views.Workspace(WorkspaceStatus.Ready))
                .Add(c => c.OnAction, EventCallback.Factory.Create<WorkspaceActionRequest>(this, requests.Add)));

        await card.Find("button[aria-haspopup]").ClickAsync();
        await Popovers.WaitForAssertionAsync(() => Popovers.FindAll("[role=menuitem]").Select(i => i.TextContent.Trim()).ShouldBe(["Stop", "Delete"]));
        await Popovers.FindAll("[role=menuitem]")[1].ClickAsync();

        requests.ShouldBe([new(WorkspaceAction.Delete)]);
    }

    [Fact]
    public void Meters_RunningAndStarting_AreUsedAndPromised()
    {
        var home = Views.Home(Views.Workspace(WorkspaceStatus.Ready), Views.Workspace(WorkspaceStatus.Starting, "notebook-2"));

        Meters.Of(home, Views.Class).ShouldBe(
        [
            new(Resource.Vcpu, 2, 1, 6),
            new(Resource.Memory, 2, 1, 8),
            new(Resource.Storage, 1, 1, 4),
            new(Resource.Workspaces, 2, 0, 4),
        ]);
    }

    private IRenderedComponent<Allowance> AllowanceOf(ClassView @class, Action<ClassView>? change = null) =>
        Render<Allowance>(p =>
            p.Add(a => a.Home, Views.Home()).Add(a => a.Class, @class).Add(a => a.OnIdleRule, EventCallback.Factory.Create(this, change ?? (_ => { }))));

    [Theory]
    [InlineData(120, "Workspaces stop after 2 h of inactivity; their files are kept.")]
    [InlineData(null, "Idle workspaces are not stopped.")]
    public void Allowance_RuleOfTheClass_IsSaidAndOnlyWhoMayChangesIt(int? minutes, string words)
    {
        var rule = Views.Class with { IdleMinutes = minutes };
        AllowanceOf(rule).Find(".idle-rule").TextContent.Trim().ShouldBe(words);
        AllowanceOf(rule).FindAll(".idle-rule button").ShouldBeEmpty();

        ClassView? chosen = null;
        AllowanceOf(rule with { MaySetIdleRule = true }, c => chosen = c).Find(".idle-rule button").Click();
        chosen!.Id.ShouldBe(Views.ClassId);
    }

    private async Task<IdleRuleDialog.Choice?> RuleAsync(int? present, Func<Task> act)
    {
        Task<IdleRuleDialog.Choice?> answer = null!;
        await Dialogs.InvokeAsync(() =>
        {
            answer = IdleRuleDialog.ShowAsync(Services.GetRequiredService<IDialogService>(), "Idle", Views.Class with { IdleMinutes = present });
        });
        await Dialogs.WaitForAssertionAsync(() => Dialogs.FindAll("#idle-rule-description").Count.ShouldBe(1));
        await act();
        await Dialogs.FindAll(".mud-dialog-actions button")[1].ClickAsync();
        return await answer;
    }

    [Fact]
    public async Task IdleRule_Number_IsTaken() =>
        (await RuleAsync(120, () => Dialogs.Find("input[type=number], input[inputmode=numeric]").InputAsync("90"))).ShouldBe(new(90));

    [Fact]
    public async Task IdleRule_ImpossibleNumber_StaysInTheDialogAndSaysWhatIsPossible()
    {
        await Dialogs.InvokeAsync(() =>
        {
            _ = IdleRuleDialog.ShowAsync(Services.GetRequiredService<IDialogService>(), "Idle", Views.Class with { IdleMinutes = 120 });
        });
        await Dialogs.WaitForAssertionAsync(() => Dialogs.FindAll("#idle-rule-description").Count.ShouldBe(1));

        await Dialogs.Find("input[type=number], input[inputmode=numeric]").InputAsync("0");

        Dialogs.FindAll(".mud-dialog-actions button")[1].HasAttribute("disabled").ShouldBeTrue();
        Dialogs.FindAll(".field-error").Select(e => e.TextContent.Trim())
            .ShouldContain($"{IdlePolicy.Shortest} to {IdlePolicy.Longest} minutes", Dialogs.Markup);
    }

    [Fact]
    public async Task IdleRule_SwitchedOff_MeansNever() =>
        (await RuleAsync(120, () => Dialogs.Find("input[type=checkbox]").ChangeAsync(false))).ShouldBe(new(null));

    [Fact]
    public async Task IdleRule_SwitchedOn_BeginsWithTheUsual() =>
        (await RuleAsync(null, () => Dialogs.Find("input[type=checkbox]").ChangeAsync(true))).ShouldBe(new(IdlePolicy.Usual));

    [Fact]
    public void Allowance_Hover_TellsTheChain() =>
        Render<Allowance>(p => p.Add(a => a.Home, Views.Home()).Add(a => a.Class, Views.Class)).FindAll(".meter")[1].GetAttribute("title")
            .ShouldBe("You: 3 of 8 · Data science 101: 16 of 72 · Informatics: 20 of 96");

    [Fact]
    public void Offers_NotAvailable_LeadsToTheCatalogue()
    {
        var offers = Render<Offers>(p =>
            p.Add(o => o.Cards, [Views.Card("Its image is being built.", 40), Views.Card(usual: TimeSpan.FromSeconds(9)) with { VersionId = Guid.Empty }]));

        var links = offers.FindAll("a");
        links[0].GetAttribute("href").ShouldBe("catalog");
        links[0].TextContent.ShouldContain("Building, 40%");
        links[1].GetAttribute("href").ShouldBe("launch/notebook");
        links[1].TextContent.ShouldContain("Usually ready in 9 s");
    }

    [Theory]
    [InlineData(true, "See what you can launch")]
    [InlineData(false, "You are not in a class yet")]
    public void FirstVisit_Drawn_SaysWhatToDo(bool hasClass, string text) =>
        Render<FirstVisit>(p => p.Add(f => f.HasClass, hasClass)).Markup.ShouldContain(text);

    [Theory]
    [InlineData(6, "Morning")]
    [InlineData(13, "Afternoon")]
    [InlineData(22, "Evening")]
    [InlineData(2, "Evening")]
    public void Daytime_Of_FitsTheHour(int hour, string part) => Daytime.Of(new(2026, 11, 23, hour, 0, 0, TimeSpan.Zero)).ShouldBe(part);
}
