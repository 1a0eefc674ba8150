using Bunit;
using Microsoft.AspNetCore.Components;
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
    [InlineData(WorkspaceStatus.Starting, "Watch it come up")]
    [InlineData(WorkspaceStatus.Queued, "See its place in the queue")]
    public void WorkspaceCard_EachStatus_HasOneThingToDo(WorkspaceStatus status, string act)
    {
        var card = Render<WorkspaceCard>(p => p.Add(c => c.Workspace, Views.Workspace(status)));

        card.Find(".card-act").TextContent.Trim().ShouldBe(act);
        card.Find("h3 a").GetAttribute("href").ShouldBe("workspaces/abcdefghij");
    }

    [Fact]
    public void WorkspaceCard_Ready_ShowsItsMeter() =>
        Render<WorkspaceCard>(p => p.Add(c => c.Workspace, Views.Workspace(WorkspaceStatus.Ready))).Find(".card-size").TextContent.ShouldBe("CPU 25 % · 512 MiB of 2 GiB");

    [Fact]
    public async Task WorkspaceCard_MenuDelete_AsksForIt()
    {
        List<WorkspaceAsk> asked = [];
        var card = Render<WorkspaceCard>(p => p.Add(c => c.Workspace, Views.Workspace(WorkspaceStatus.Ready)).Add(c => c.OnAsk, EventCallback.Factory.Create<WorkspaceAsk>(this, asked.Add)));

        await card.Find("button[aria-haspopup]").ClickAsync();
        await Popovers.WaitForAssertionAsync(() => Popovers.FindAll("[role=menuitem]").Select(i => i.TextContent.Trim()).ShouldBe(["Stop", "Delete"]));
        await Popovers.FindAll("[role=menuitem]")[1].ClickAsync();

        asked.ShouldBe([new(WorkspaceAct.Delete)]);
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

    [Fact]
    public void Allowance_Hover_TellsTheChain() =>
        Render<Allowance>(p => p.Add(a => a.Home, Views.Home()).Add(a => a.Class, Views.Class)).FindAll(".meter")[1].GetAttribute("title")
            .ShouldBe("You: 3 of 8 · Data science 101: 16 of 72 · Informatics: 20 of 96");

    [Fact]
    public void Offers_NotAvailable_LeadsToTheCatalogue()
    {
        var offers = Render<Offers>(p => p.Add(o => o.Cards, [Views.Card("Its image is being built.", 40), Views.Card(usual: TimeSpan.FromSeconds(9)) with { VersionId = Guid.Empty }]));

        var links = offers.FindAll("a");
        links[0].GetAttribute("href").ShouldBe("catalog");
        links[0].TextContent.ShouldContain("Being built, 40 %");
        links[1].GetAttribute("href").ShouldBe("launch/notebook");
        links[1].TextContent.ShouldContain("Usually ready in 9 s");
    }

    [Theory]
    [InlineData(true, "See what you can launch")]
    [InlineData(false, "You are not in a class yet")]
    public void FirstVisit_Drawn_SaysWhatToDo(bool hasClass, string says) =>
        Render<FirstVisit>(p => p.Add(f => f.HasClass, hasClass)).Markup.ShouldContain(says);

    [Theory]
    [InlineData(6, "Morning")]
    [InlineData(13, "Afternoon")]
    [InlineData(22, "Evening")]
    [InlineData(2, "Evening")]
    public void Daytime_Of_FitsTheHour(int hour, string part) => Daytime.Of(new(2026, 11, 23, hour, 0, 0, TimeSpan.Zero)).ShouldBe(part);
}
