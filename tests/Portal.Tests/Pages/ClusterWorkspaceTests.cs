using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Localization;
using MudBlazor;
using Portal.Controls;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Features.Home;
using Portal.Features.Workspaces;

namespace Portal.Tests.Pages;

/// <summary>The page of a workspace that is a cluster.</summary>
public sealed class ClusterWorkspaceTests : PageTest
{
    private static readonly NodeView[] All = [Views.Node("notebook"), Views.Node("master"), Views.Node("worker0"), Views.Node("worker1")];
    private readonly List<WorkspaceActionRequest> _requests = [];

    private IRenderedComponent<WorkspaceBody> Body(WorkspaceView workspace) =>
        Render<WorkspaceBody>(p =>
            p.Add(b => b.Workspace, workspace).Add(b => b.Owner, true)
                .Add(b => b.OnAction, EventCallback.Factory.Create<WorkspaceActionRequest>(this, _requests.Add)));

    private static string[] Notices(IRenderedComponent<WorkspaceBody> body) => [.. body.FindAll(".notice-message").Select(n => n.TextContent.Trim())];

    [Fact]
    public void AppTiles_Cluster_MainAppsAreTilesAndThoseOfWorkersAList()
    {
        var body = Body(Views.Cluster(WorkspaceStatus.Ready, All));

        body.FindAll(".app .app-name").Select(a => a.TextContent).ShouldBe(["Open Notebook", "Open Spark"]);
        body.FindAll(".node-apps dt").Select(n => n.TextContent).ShouldBe(["worker0", "worker1"]);
        body.FindAll(".node-apps form").Select(f => f.GetAttribute("action")).ShouldBe(
            ["/workspaces/00000000-0000-0000-0000-0000000000e1/apps/worker-0/open", "/workspaces/00000000-0000-0000-0000-0000000000e1/apps/worker-1/open"]);
        body.Find(".node-apps button").GetAttribute("aria-label").ShouldBe("Open Worker worker0");
    }

    [Fact]
    public void AppTiles_SingleNode_HasNoListOfWorkers() => Body(Views.Workspace(WorkspaceStatus.Ready)).FindAll(".worker-apps").ShouldBeEmpty();

    [Fact]
    public void NodeTable_Cluster_ShowsStateMemoryScratchAndRestarts()
    {
        var body = Body(Views.Cluster(WorkspaceStatus.Ready, [.. All[..3], All[3] with { Restarts = 2, OutOfMemoryKills = 1, ScratchBytes = 970 << 20 }]));

        body.FindAll(".table tbody tr").Count.ShouldBe(4);
        var worker = body.FindAll(".table tbody tr")[3];
        worker.Children
            .Select(c => c.TextContent.Trim())
            .Where(t => t.Length > 0)
            .ShouldBe(["worker1", "Running", "25%", "512 MiB of 2 GiB", "970 MiB of 1 GiB", "37", "1", "2"]);
        worker.QuerySelector(".bad")!.TextContent.ShouldBe("970 MiB of 1 GiB", "it is nearly full");
        worker.QuerySelectorAll("svg.spark").Length.ShouldBe(1);
        body.Find(".table-panel .section-head").TextContent.ShouldContain("4 of 4 running");
        Notices(body).ShouldContain("Nodes stopped unexpectedly and were restarted, 2 times in total.");
    }

    /// <summary>Whether the limit is enforced or only watched: what is not known is not full.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void NodeTable_ScratchUseUnknown_IsNeitherANumberNorFull(bool enforced)
    {
        var cluster = Views.Cluster(WorkspaceStatus.Ready, [.. All[..3], All[3] with { ScratchBytes = null }]);
        var body = Body(cluster with { Folder = cluster.Folder with { Enforced = enforced } });

        body.FindAll(".table tbody tr")[3].TextContent.ShouldContain("not reported (1 GiB requested)");
        body.FindAll(".table tbody .bad").ShouldBeEmpty();
        Notices(body).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(921, null)]
    [InlineData(922, "The scratch folder of worker1 is nearly full: 922 MiB of 1 GiB. "
        + "Once it is full, anything that needs to write there waits or fails. "
        + "Delete what you no longer need in /scratch on that node. "
        + "Stopping the workspace does not empty it; your work folder is not affected.")]
    [InlineData(1020, "The scratch folder of worker1 is full: 1,020 MiB of 1 GiB. "
        + "Anything that needs to write there waits or fails until there is space. "
        + "Delete what you no longer need in /scratch on that node. "
        + "Stopping the workspace does not empty it; your work folder is not affected.")]
    public void Situation_ScratchFolderFills_SaysWhichWhatFollowsAndWhatHelps(int mebibytes, string? text)
    {
        var body = Body(Views.Cluster(WorkspaceStatus.Ready, [.. All[..3], All[3] with { ScratchBytes = (long)mebibytes << 20 }]));

        Notices(body).ShouldBe(text is null ? [] : [text]);
        body.FindAll(".table tbody .bad").Count.ShouldBe(text is null ? 0 : 1);

        body.Render(p => p.Add(b => b.Workspace, Views.Cluster(WorkspaceStatus.Ready, All)));
        Notices(body).ShouldBeEmpty("there is space again");
    }

    [Fact]
    public void Situation_SeveralScratchFoldersFull_NamesThemAndTheTemplatesRemedyOnce()
    {
        var template = Views.Spark with { Roles = [.. Views.Spark.Roles.Take(2), Views.Spark.Roles[2] with { ScratchRemedy = "Call spark.stop()." }] };
        var full = Views.Cluster(WorkspaceStatus.Ready,
            [.. All[..2], All[2] with { ScratchBytes = 1 << 30 }, All[3] with { ScratchBytes = 1 << 30 }]) with
        { Template = template };

        Notices(Body(full)).ShouldBe(
            ["The scratch folders of worker0, worker1 are full. Anything that needs to write there waits or fails until there is space. Call spark.stop()."]);
        Notices(Body(full with { Folder = full.Folder with { Enforced = false } }))[0]
            .ShouldStartWith("These scratch folders are over their limit: worker0, worker1.");
        Notices(Body(full with { Status = WorkspaceStatus.Stopped, Nodes = [] })).ShouldNotContain(n => n.Contains("scratch"));
        Render<WorkspaceCard>(p => p.Add(c => c.Workspace, full)).Find(".notice-message").TextContent.Trim()
            .ShouldBe("The scratch folders of worker0, worker1 are full. Anything that needs to write there waits or fails until there is space.");
    }

    /// <summary>A container that is created but not running yet has not failed; nor has one that was stopped.</summary>
    [Theory]
    [InlineData(WorkspaceStatus.Starting, "Starting", "working")]
    [InlineData(WorkspaceStatus.Stopping, "Stopped", "stopped")]
    [InlineData(WorkspaceStatus.Attention, "Exited", "failed")]
    public void NodeTable_NodeThatDoesNotRun_IsRedOnlyWhereItShould(WorkspaceStatus status, string word, string tone)
    {
        var badge = Body(Views.Cluster(status, [.. All[..3], All[3] with { Running = false, ExitCode = null }]))
            .FindAll(".table tbody tr")[3].QuerySelector(".badge")!;

        badge.TextContent.Trim().ShouldBe(word);
        badge.ClassList.ShouldContain(tone);
    }

    [Fact]
    public void NodeTable_NodesThatAreStillToCome_AreNotMissed()
    {
        var rows = Body(Views.Cluster(WorkspaceStatus.Starting, All[..2])).FindAll(".table tbody tr");

        rows.Skip(2).Select(r => r.QuerySelector(".badge")!.TextContent.Trim()).ShouldBe(["Starting", "Starting"]);
        rows[3].TextContent.ShouldNotContain("Expected, but not found");
    }

    [Fact]
    public void Situation_AWorkerDied_SaysWhichAndThatTheOthersGoOn()
    {
        var body = Body(Views.Cluster(WorkspaceStatus.Attention, [.. All[..3], Views.Node("worker1", running: false)]));

        Notices(body).ShouldBe(
            ["worker1 stopped unexpectedly (exit code 1). The others keep running, with less capacity. "
                + "Your files are safe; try again to bring everything back."]);
        body.FindAll(".table tbody tr")[3].TextContent.ShouldContain("Exited (1)");
        body.FindAll(".app").Count.ShouldBe(2);
        body.FindAll(".node-apps dd")[1].TextContent.Trim().ShouldBe("not running");
    }

    [Fact]
    public void Situation_AWorkerOutOfMemory_SaysWhy() =>
        Notices(Body(Views.Cluster(WorkspaceStatus.Attention, [.. All[..3], Views.Node("worker1", running: false) with { OutOfMemoryKills = 1 }])))[0]
            .ShouldStartWith("worker1 stopped unexpectedly because it ran out of memory.");

    [Fact]
    public void Situation_AWorkerIsGoneAltogether_IsMissedByNameAndInTheTable()
    {
        var body = Body(Views.Cluster(WorkspaceStatus.Attention, All[..3]));

        Notices(body)[0].ShouldStartWith("worker1 stopped unexpectedly and no longer exists.");
        var row = body.FindAll(".table tbody tr")[3];
        row.TextContent.ShouldContain("worker1");
        row.TextContent.ShouldContain("Missing");
        body.Find(".table-panel .section-head").TextContent.ShouldContain("3 of 4 run");
    }

    [Fact]
    public void WorkspaceActions_AWorkerIsBeingMadeAgain_OffersNotToEndTheOthers()
    {
        var attention = Views.Cluster(WorkspaceStatus.Attention, All[..3]);
        WorkspaceActions.Of(attention, owner: true, mayDelete: false)
            .ShouldBe([WorkspaceAction.TryAgain, WorkspaceAction.StartWithoutSettings, WorkspaceAction.Stop, WorkspaceAction.Extend, WorkspaceAction.Delete]);
        WorkspaceActions.Of(attention with { AutomaticRestarts = RestartState.GivenUp }, owner: true, mayDelete: false).ShouldContain(WorkspaceAction.TryAgain);
        WorkspaceActions.Of(attention with { AutomaticRestarts = RestartState.Again }, owner: true, mayDelete: false)
            .ShouldBe([WorkspaceAction.Stop, WorkspaceAction.Extend, WorkspaceAction.Delete]);
    }

    [Theory]
    [InlineData(WorkspaceStatus.Ready)]
    [InlineData(WorkspaceStatus.Resizing)]
    [InlineData(WorkspaceStatus.Attention)]
    public void Situation_EndsSoon_IsSaidWhateverElseIsTheMatter(WorkspaceStatus status)
    {
        var body = Body(Views.Cluster(status, All) with { EndAt = Now.AddMinutes(20) });
        Notices(body).ShouldContain(n => n.Contains("20 min left."));
        body.FindAll(".notice button").Count.ShouldBe(1);
    }

    [Fact]
    public void Situation_AllWorkersDied_DoesNotSayThatTheOthersGoOn() =>
        Notices(Body(Views.Cluster(WorkspaceStatus.Attention, All[..2])))[0]
            .ShouldBe("2 of 2 workers stopped unexpectedly: worker0, worker1. Your files are safe; try again to continue.");

    [Fact]
    public void Situation_TheNotebookDied_SaysSoAndOffersItsAppNoMore()
    {
        var body = Body(Views.Cluster(WorkspaceStatus.Attention, [Views.Node("notebook", running: false), .. All[1..]]));

        Notices(body)[0].ShouldBe("notebook stopped unexpectedly (exit code 1). Your files are safe; try again to continue.");
        body.FindAll(".app .app-name").Select(a => a.TextContent).ShouldBe(["Open Spark"]);
    }

    [Fact]
    public void ChoicePanel_Cluster_TellsWhatWasChosen()
    {
        var cluster = Views.Cluster(WorkspaceStatus.Ready,
            All) with
        { Parameters = new Dictionary<string, string> { ["shuffle"] = "64", ["share"] = "all", ["keep"] = "false", ["store"] = "mine" } };

        var facts = Body(cluster)
            .FindAll(".choice-facts > div")
            .Select(d => $"{d.QuerySelector("dt")!.TextContent}: {d.QuerySelector("dd")!.TextContent}")
            .ToList();

        facts.ShouldBe(["Size: Small · 4 vCPU · 2 GiB", "Workers: 2", "Software: Apache Spark 4", "Partitions: 64", "Memory of a task: All of it",
            "Time zone: UTC", "Keep tables: Off"]);
    }

    [Fact]
    public void WorkspaceBody_Cluster_SaysHowManyWorkers() =>
        Body(Views.Cluster(WorkspaceStatus.Ready, All)).Find(".page-below").TextContent.ShouldContain("Spark · Small · 2 workers · 4 vCPU · 2 GiB");

    [Fact]
    public void WorkspaceBody_NotebookAlone_HasNoPanelOfChoices() => Body(Views.Workspace(WorkspaceStatus.Ready)).FindAll(".choice-facts").ShouldBeEmpty();

    [Fact]
    public void WorkspaceBody_NewerVersion_IsOfferedWhenStoppedAndSaidWhenRunning()
    {
        var stopped = Body(Views.Cluster(WorkspaceStatus.Stopped) with { Newer = Views.Spark });
        stopped.FindAll(".notice button").Single().TextContent.Trim().ShouldBe("Start with the newest version");
        stopped.Find(".notice button").Click();
        _requests.ShouldBe([new(WorkspaceAction.StartNewest)]);

        var running = Body(Views.Cluster(WorkspaceStatus.Ready, All) with { Newer = Views.Spark });
        Notices(running).ShouldBe(["A newer version of Spark is available. Stop this workspace, then start it with the newest version; your files are kept."]);
        running.FindAll(".notice button").ShouldBeEmpty();
        Notices(Body(Views.Cluster(WorkspaceStatus.Ready, All))).ShouldBeEmpty();
    }

    private async Task<StartChanges?> DialogAsync(WorkspaceView workspace, Func<Task> act)
    {
        Task<StartChanges?> answer = null!;
        await Dialogs.InvokeAsync(() => { answer = StartDialog.ShowAsync(Services.GetRequiredService<IDialogService>(), workspace); });
        await Dialogs.WaitForAssertionAsync(() => Dialogs.FindAll(".start-dialog").Count.ShouldBe(1));
        await act();
        return await answer;
    }

    private string ActionLabel => Dialogs.FindAll(".mud-dialog-actions button")[1].TextContent.Trim();

    private Task CloseAsync() => Dialogs.FindAll(".mud-dialog-actions button")[1].ClickAsync();

    [Theory]
    [InlineData("s", 3, "It does not fit: your own quota does not have enough vCPU left. "
        + "Stop something else first. Or start it with changes: Small with 3 workers would fit.")]
    [InlineData("gone", 3, "It does not fit: your own quota does not have enough vCPU left. Stop something else first.")]
    [InlineData(null, 0, "It does not fit: your own quota does not have enough vCPU left. Stop something else first.")]
    public void Start_Refused_SaysWhatWouldFit(string? size, int workers, string words) =>
        RefusalText.OfStart(new(RefusalReason.OverQuota, "size", QuotaLevel.Member, Resource.Vcpu, size is null ? null : new(size, workers)),
            Views.Cluster(WorkspaceStatus.Stopped),
            Services.GetRequiredService<IStringLocalizer<WorkspaceTexts>>(), Services.GetRequiredService<IStringLocalizer<ControlTexts>>()).ShouldBe(words);

    [Fact]
    public async Task StartDialog_OtherSizeAndWorkers_AsksForJustThese()
    {
        var changes = await DialogAsync(Views.Cluster(WorkspaceStatus.Stopped), async () =>
        {
            ActionLabel.ShouldBe("Start spark-1 with 2 workers");
            await Dialogs.Find("input[name=size][value=m]").ChangeAsync("m");
            await Dialogs.Find("input[type=range]").InputAsync("5");
            ActionLabel.ShouldBe("Start spark-1 with 5 workers");
            await CloseAsync();
        });

        changes.ShouldBe(new(SizeId: "m", Workers: 5));
    }

    [Fact]
    public async Task StartDialog_WhatDoesNotFit_IsDisabledAndSaysWhatToStop()
    {
        var limit = new Refusal(RefusalReason.OverQuota, "size", QuotaLevel.Member, Resource.Vcpu) { Stop = ["notebook-1"] };
        await Dialogs.InvokeAsync(() =>
        {
            _ = StartDialog.ShowAsync(Services.GetRequiredService<IDialogService>(), Views.Cluster(WorkspaceStatus.Stopped),
                (_, _) => Task.FromResult(new ChoiceLimits(new Dictionary<string, Refusal>(StringComparer.Ordinal) { ["m"] = limit }, 3, limit)));
        });

        await Dialogs.WaitForAssertionAsync(() => Dialogs.FindAll("input[name=size]").Select(i => i.HasAttribute("disabled")).ShouldBe([false, true]));
        Dialogs.Find("input[type=range]").GetAttribute("max").ShouldBe("3");
        Dialogs.FindAll(".choice-why").Select(w => w.TextContent).ShouldAllBe(w => w.Contains("Stop notebook-1 first.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task StartDialog_NothingChanged_KeepsAll() =>
        (await DialogAsync(Views.Workspace(WorkspaceStatus.Stopped), () => { ActionLabel.ShouldBe("Start notebook-1, Medium"); return CloseAsync(); }))
            .ShouldBe(new StartChanges());

    [Fact]
    public async Task StartDialog_LeftAlone_StartsNothing() =>
        (await DialogAsync(Views.Cluster(WorkspaceStatus.Stopped), () => Dialogs.FindAll(".mud-dialog-actions button")[0].ClickAsync())).ShouldBeNull();

    [Fact]
    public async Task StartDialog_NewestVersion_OffersItsSizesAndBounds()
    {
        var newer = Views.Spark with
        {
            Sizes = [new("xl", "Huge", "All.", 4, 4096)],
            Roles = [.. Views.Spark.Roles.Take(2), Views.Spark.Roles[2] with { Workers = new(3, 4, 3) }]
        };

        var changes = await DialogAsync(Views.Cluster(WorkspaceStatus.Stopped) with { Newer = newer }, async () =>
        {
            await Dialogs.Find("input[role=switch]").ChangeAsync(true);
            Dialogs.FindAll("input[name=size]").Select(i => i.GetAttribute("value")).ShouldBe(["xl"]);
            await CloseAsync();
        });

        changes.ShouldBe(new(SizeId: "xl", Workers: 3, NewestVersion: true));
    }

    [Fact]
    public void WorkspaceActions_NothingElseToChoose_OffersNoOtherStart()
    {
        var plain = Views.Workspace(WorkspaceStatus.Stopped);

        WorkspaceActions.Of(plain, owner: true, mayDelete: false).ShouldContain(WorkspaceAction.StartOtherwise);
        WorkspaceActions.Of(plain, owner: false, mayDelete: false).ShouldBeEmpty();
        WorkspaceActions.Of(plain, owner: false, mayDelete: true).ShouldBe([WorkspaceAction.Delete]);
        WorkspaceActions.Of(plain with { Template = Views.Notebook with { Sizes = [Views.Notebook.Sizes[1]] } }, owner: true, mayDelete: false)
            .ShouldBe([WorkspaceAction.Start, WorkspaceAction.StartWithoutSettings, WorkspaceAction.Delete]);
    }

    [Fact]
    public void WorkspaceCard_Cluster_SumsItsNodes()
    {
        var card = Render<WorkspaceCard>(p => p.Add(c => c.Workspace, Views.Cluster(WorkspaceStatus.Ready, [.. All[..3], All[3] with { Cpu = [.65] }])));

        card.Find(".card-size").TextContent.ShouldBe("CPU 35% · 2 GiB of 8 GiB");
        card.Find(".card-name .quiet").TextContent.ShouldBe("Spark · 2 workers");
    }
}
