using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Workspaces;
using Portal.Shell;

namespace Portal.Tests.Pages;

/// <summary>What screen readers announce.</summary>
public sealed class AnnouncementTests : PageTest
{
    private string Text(WorkspaceView workspace) => StatusText.Of([workspace], Services.GetRequiredService<IStringLocalizer<ShellTexts>>())[workspace.Id];

    [Fact]
    public void LiveRegion_Said_IsAddedToARegionThatWasThereBefore()
    {
        var region = Render<LiveRegion>();
        region.Find("[role=status]").TextContent.Trim().ShouldBeEmpty();
        var announcements = Services.GetRequiredService<Announcements>();

        announcements.Say("It is ready.");
        region.WaitForAssertion(() => region.Find("[role=status]").TextContent.Trim().ShouldBe("It is ready."));
        announcements.Say("It is ready.");

        region.WaitForAssertion(() => announcements.Newest!.Number.ShouldBe(2));
    }

    [Theory]
    [InlineData(WorkspaceStatus.Ready, "notebook-1 is ready.")]
    [InlineData(WorkspaceStatus.Failed, "notebook-1 failed. Its page says why.")]
    [InlineData(WorkspaceStatus.Stopped, "notebook-1 is stopped.")]
    [InlineData(WorkspaceStatus.Attention, "notebook-1 needs attention.")]
    [InlineData(WorkspaceStatus.Starting, "")]
    public void StatusText_EachStatus_SaysWhatMatters(WorkspaceStatus status, string text) => Text(Views.Workspace(status)).ShouldBe(text);

    [Fact]
    public void StatusText_Queued_SaysThePlaceAndNothingWhereItBeginsAtOnce()
    {
        Text(Views.Workspace(WorkspaceStatus.Queued) with { Queue = new(2, QueueWait.Capacity, null) })
            .ShouldBe("notebook-1 is waiting: number 2 in the queue.");
        Text(Views.Workspace(WorkspaceStatus.Queued) with { Queue = new(1, null, null) }).ShouldBeEmpty();
    }
}
