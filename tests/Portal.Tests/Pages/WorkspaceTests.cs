using AngleSharp.Dom;
using Bunit;
using Microsoft.AspNetCore.Components;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Features.Workspaces;

namespace Portal.Tests.Pages;

public sealed class WorkspaceTests : PageTest
{
    private readonly List<WorkspaceActionRequest> _requests = [];

    private IRenderedComponent<WorkspaceBody> Body(WorkspaceView workspace, bool owner = true) =>
        Render<WorkspaceBody>(p =>
            p.Add(b => b.Workspace, workspace).Add(b => b.Owner, owner)
                .Add(b => b.OnAction, EventCallback.Factory.Create<WorkspaceActionRequest>(this, _requests.Add)));

    private static string[] Buttons(IRenderedComponent<WorkspaceBody> body) => [.. body.FindAll(".page-actions button").Select(b => b.TextContent.Trim())];

    [Theory]
    [InlineData(WorkspaceStatus.Queued, "Delete", "Cancel the start")]
    [InlineData(WorkspaceStatus.Starting, "Delete", "Cancel the start")]
    [InlineData(WorkspaceStatus.Ready, "Delete", "Stop", "Open Notebook")]
    [InlineData(WorkspaceStatus.Stopping, "Delete")]
    [InlineData(WorkspaceStatus.Stopped, "Delete", "Start with changes…", "Start without my settings", "Start")]
    [InlineData(WorkspaceStatus.Attention, "Delete", "Start without my settings", "Stop", "Try again")]
    [InlineData(WorkspaceStatus.Deleting)]
    [InlineData(WorkspaceStatus.Deleted)]
    public void WorkspaceBody_EachStatus_OffersWhatFits(WorkspaceStatus status, params string[] buttons) =>
        Buttons(Body(Views.Workspace(status))).ShouldBe(buttons);

    [Fact]
    public void WorkspaceBody_Ready_OpensTheAppByPost()
    {
        var form = Body(Views.Workspace(WorkspaceStatus.Ready)).Find(".apps form");

        form.GetAttribute("method").ShouldBe("post");
        form.GetAttribute("action").ShouldBe("/workspaces/00000000-0000-0000-0000-0000000000e1/apps/lab/open");
        form.GetAttribute("rel").ShouldBe("noopener");
    }

    [Fact]
    public void WorkspaceBody_Starting_ShowsStepsWithTheReasonToWait()
    {
        var body = Body(Views.Workspace(WorkspaceStatus.Starting));

        body.FindAll(".step").Count.ShouldBe(4);
        var now = body.Find("[aria-current=step]");
        now.TextContent.ShouldContain("Start the nodes");
        now.TextContent.ShouldContain("The engine is pulling.");
        now.TextContent.ShouldContain("usually 2 s");
    }

    [Fact]
    public void WorkspaceBody_Failed_SaysWhatWhyAndNowBeforeAnyLog()
    {
        var body = Body(Views.Workspace(WorkspaceStatus.Failed));

        var failure = body.Find("[role=alert]");
        failure.TextContent.ShouldContain("“Start the nodes” failed");
        failure.TextContent.ShouldContain("The disk of the engine is full.");
        failure.TextContent.ShouldContain("Tell the operator.");
        failure.QuerySelectorAll("button").Select(b => b.TextContent.Trim())
            .ShouldBe(["Try again", "Start with changes…", "Start without my settings", "Delete notebook-1, keep files"]);
        body.Markup.IndexOf("role=\"alert\"", StringComparison.Ordinal).ShouldBeLessThan(body.Markup.IndexOf("role=\"log\"", StringComparison.Ordinal));

        failure.QuerySelector("button")!.Click();
        _requests.ShouldBe([new(WorkspaceAction.TryAgain)]);
    }

    [Theory]
    [InlineData(WorkspaceStatus.Stopped, ".page-actions")]
    [InlineData(WorkspaceStatus.Attention, ".page-actions")]
    [InlineData(WorkspaceStatus.Failed, "[role=alert]")]
    public void WorkspaceBody_StartWithoutMySettings_IsAsked(WorkspaceStatus status, string place)
    {
        Body(Views.Workspace(status)).FindAll($"{place} button").Single(b => b.TextContent.Trim() == "Start without my settings").Click();
        _requests.ShouldBe([new(WorkspaceAction.StartWithoutSettings)]);
    }

    [Theory]
    [InlineData(WorkspaceStatus.Ready, true)]
    [InlineData(WorkspaceStatus.Starting, true)]
    [InlineData(WorkspaceStatus.Stopped, false)]
    public void WorkspaceBody_StartedWithoutSettings_SaysThatNothingWasDeleted(WorkspaceStatus status, bool shown)
    {
        var body = Body(Views.Workspace(status) with { WithoutSettings = true });
        body.Markup.Contains("Started without your own settings", StringComparison.Ordinal).ShouldBe(shown);
        if (shown) body.FindAll(".notice").ShouldContain(n => n.TextContent.Contains("Nothing was deleted"));
    }

    [Theory]
    [InlineData(QueueWait.Capacity, "The machines are full at the moment.")]
    [InlineData(QueueWait.Launches, "Other launches are starting.")]
    public void WorkspaceBody_Queued_SaysPlaceReasonAndExpectedStart(QueueWait wait, string reason)
    {
        var queued = Views.Workspace(WorkspaceStatus.Queued) with { Queue = new(3, wait, Now.AddMinutes(20)) };

        var notice = Body(queued).Find(".notice");
        notice.TextContent.Trim().ShouldBe($"{reason} It is number 3 in the queue. It will probably start in 20 min.");
        // A countdown is not read out each time: the timer is not a live region, the rest of the notice is.
        notice.QuerySelector("[role=timer]")!.TextContent.ShouldBe("It will probably start in 20 min.");
    }

    /// <summary>End times of others are upper bounds, not estimates; if there is none, nothing is shown.</summary>
    [Fact]
    public void WorkspaceBody_QueuedForRoom_SaysTheLatestAndNothingWhereNobodyKnows()
    {
        var queued = Views.Workspace(WorkspaceStatus.Queued) with { Queue = new(1, QueueWait.Capacity, null) { LatestAt = Now.AddHours(2) } };

        Body(queued).Find(".notice").TextContent.Trim().ShouldBe(
            "The machines are full at the moment. It is next in the queue. "
            + "It starts as soon as enough other workspaces stop: by 12:00 at the latest, unless someone extends theirs.");
        Body(queued with { Queue = new(1, QueueWait.Capacity, null) }).Find(".notice").TextContent.Trim()
            .ShouldBe("The machines are full at the moment. It is next in the queue.");
    }

    /// <summary>Just ordered, and nothing in the way: no mention of a queue.</summary>
    [Fact]
    public void WorkspaceBody_OrderedAndNothingInTheWay_SpeaksOfNoQueue() =>
        Body(Views.Workspace(WorkspaceStatus.Queued) with { Queue = new(1, null, null) }).Find(".notice").TextContent.Trim().ShouldBe("It is about to start.");

    [Fact]
    public void WorkspaceBody_NotReadyYet_SaysHowLongItWillRunAndOffersNoOtherEnd()
    {
        var body = Body(Views.Workspace(WorkspaceStatus.Starting) with { RunFor = TimeSpan.FromHours(4) });

        body.Find(".end-time").TextContent.Trim().ShouldBe("runs for 4 h once it is ready");
        body.FindAll(".end-time time, .end-menu").ShouldBeEmpty();
    }

    [Fact]
    public void WorkspaceBody_EndsSoon_GivesNoticeWithTheRemedy()
    {
        var body = Body(Views.Workspace(WorkspaceStatus.Ready) with { EndAt = Now.AddMinutes(40) });
        body.FindAll(".notice").ShouldBeEmpty();

        Clock.Advance(TimeSpan.FromMinutes(15));

        body.WaitForAssertion(() =>
            body.Find(".notice").TextContent.ShouldContain("It stops at 10:40. Your files are kept; anything still running is lost. 25 min left."));
        body.Find(".notice button").Click();
        // A second tick of the clock may still be rendering.
        body.WaitForAssertion(() => _requests.ShouldBe([new(WorkspaceAction.Extend, Now.AddMinutes(100))]));
    }

    [Fact]
    public void WorkspaceBody_OutOfMemoryAndFullFolder_SaysBoth()
    {
        var ready = Views.Workspace(WorkspaceStatus.Ready) with
        {
            Nodes = [Views.Node() with { OutOfMemoryKills = 2 }],
            Folder = new((2L << 30) - 1000, 2L << 30, true)
        };

        var notices = Body(ready).FindAll(".notice").Select(n => n.TextContent).ToList();

        notices.ShouldContain(n => n.Contains("2 processes were killed because the memory was full"));
        notices.ShouldContain(n => n.Contains("Your work folder is nearly full: 2 GiB of 2 GiB"));
    }

    /// <summary>What is not known is not shown as nothing.</summary>
    [Theory]
    [InlineData(true, "not reported by this storage")]
    [InlineData(false, "not measured yet")]
    public void FolderPanel_UsageUnknown_SaysWhyAndShowsNoNumber(bool seen, string words)
    {
        var body = Body(Views.Workspace(WorkspaceStatus.Ready) with { Folder = new(null, 2L << 30, true) { Seen = seen } });

        var meter = body.Find(".folder .meter");
        meter.QuerySelector(".meter-legend")!.TextContent.Trim().ShouldBe(words);
        meter.QuerySelector(".meter-head .num")!.TextContent.ShouldBe("– of 2 GiB");
        meter.QuerySelector(".meter-bar")!.GetAttribute("aria-label").ShouldBe($"Disk: usage {words}, 0 of 2 GiB reserved");
        body.FindAll(".notice").ShouldBeEmpty();
    }

    [Fact]
    public void WorkspaceBody_SomebodyElses_OffersOnlyToStop()
    {
        var body = Body(Views.Workspace(WorkspaceStatus.Ready), owner: false);

        Buttons(body).ShouldBe(["Stop"]);
        body.FindAll(".apps").ShouldBeEmpty();
        body.Markup.ShouldContain("owned by Ada Lovelace in Data science 101");
    }

    [Fact]
    public void WorkspaceBody_DeleteRequested_SaysSoAndOffersItNoMore()
    {
        var body = Body(Views.Workspace(WorkspaceStatus.Starting) with { RequestedRun = RunKind.Delete });

        body.Markup.ShouldContain("It will be deleted as soon as the current step ends.");
        Buttons(body).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(3, 12, 5)]
    [InlineData(11, 12, 1)]
    [InlineData(12, 12, 0)]
    public void EndChoices_Of_StaysWithinTheClass(int hoursLeft, int longest, int choices)
    {
        var ends = EndChoices.Of(Now.AddHours(hoursLeft), Now, longest);

        ends.Count.ShouldBe(choices);
        ends.ShouldAllBe(e => e > Now.AddHours(hoursLeft) && e < Now.AddHours(longest));
    }
}
