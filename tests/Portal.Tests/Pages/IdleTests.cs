using Bunit;
using Microsoft.AspNetCore.Components;
using Portal.Core.Catalog;
using Portal.Core.Workspaces;
using Portal.Features.Workspaces;

namespace Portal.Tests.Pages;

public sealed class IdleTests : PageTest
{
    private readonly List<WorkspaceActionRequest> _requests = [];

    private static WorkspaceView With(IdleView idle, WorkspaceStatus status = WorkspaceStatus.Ready) => Views.Workspace(status) with { Idle = idle };

    private IRenderedComponent<IdleNotice> Notice(WorkspaceView workspace, bool owner = true, bool tells = true) =>
        Render<IdleNotice>(p =>
            p.Add(n => n.Workspace, workspace)
                .Add(n => n.Owner, owner)
                .Add(n => n.Tells, tells)
                .Add(n => n.OnAction, EventCallback.Factory.Create<WorkspaceActionRequest>(this, _requests.Add)));

    [Fact]
    public void Notice_FifteenMinutesBefore_WarnsAndKeepsInOneClick()
    {
        var notice = Notice(With(new(60, Now.AddMinutes(-40), "kernels", Now.AddMinutes(21), null)));
        notice.FindAll(".notice").ShouldBeEmpty();

        Clock.Advance(TimeSpan.FromMinutes(6));

        notice.WaitForAssertion(() => notice.Find(".notice").TextContent.ShouldContain("It is idle and stops at 10:21; your files are kept."));
        notice.Find("button").TextContent.Trim().ShouldBe("Keep it for 4 hours");
        notice.Find("button").Click();
        notice.WaitForAssertion(() => _requests.ShouldBe([new(WorkspaceAction.Keep) { Hours = 4 }]));
    }

    [Fact]
    public void Notice_SomebodyElses_WarnsWithoutTheButton() =>
        Notice(With(new(60, Now.AddMinutes(-50), "kernels", Now.AddMinutes(5), null)), owner: false).FindAll("button").ShouldBeEmpty();

    [Theory]
    [InlineData("kernels", 1, "Kept running by: a kernel. It stops after 60 s of inactivity.", 1)]
    [InlineData("kernels", 20, "Last activity: a kernel, 09:40. It stops after 60 min of inactivity.", 60)]
    [InlineData("?kernels", 0, "Kept running because the notebook did not respond. It stops after 60 min of inactivity.", 60)]
    [InlineData("?unwatched", 0, "Kept running because its activity was not monitored for a while. It stops after 60 min of inactivity.", 60)]
    [InlineData("tasks", 0, "Kept running by: Running tasks. It stops after 60 min of inactivity.", 60)]
    [InlineData("kernels,tasks", 0, "Kept running by: a kernel, Running tasks. It stops after 60 min of inactivity.", 60)]
    [InlineData("kernels,tasks", 20, "Last activity: a kernel, Running tasks, 09:40. It stops after 60 min of inactivity.", 60)]
    [InlineData("?tasks", 0, "Kept running because Running tasks did not respond. It stops after 60 min of inactivity.", 60)]
    [InlineData(null, 0, "No activity yet. It stops after 60 min of inactivity.", 60)]
    public void Notice_NoStopNear_SaysWhatKeepsIt(string? by, int minutesAgo, string words, int rule)
    {
        var workspace = With(new(rule, Now.AddMinutes(-minutesAgo), by, Now.AddHours(1), null));
        workspace = workspace with { Template = workspace.Template with { Counts = [new CountSpec("tasks", "Running tasks", "notebook", 1, "/", "", true)] } };
        Notice(workspace).Find("p").TextContent.ShouldBe(words);
    }

    [Fact]
    public void Notice_KeptByItsOwner_SaysUntilWhen() =>
        Notice(With(new(60, Now.AddMinutes(-90), "kernels", Now.AddHours(3), Now.AddHours(3)))).Find("p").TextContent.ShouldStartWith("Kept until 13:00.");

    [Fact]
    public void Notice_OffForTheClassOrNotRunning_SaysNothing()
    {
        Notice(With(IdleView.None)).Markup.Trim().ShouldBeEmpty();
        Notice(With(new(60, null, null, Now.AddMinutes(1), null), WorkspaceStatus.Stopped)).Markup.Trim().ShouldBeEmpty();
        Notice(With(new(60, Now, "kernels", Now.AddHours(1), null)), tells: false).Markup.Trim().ShouldBeEmpty();
    }
}
