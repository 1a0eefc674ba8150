using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Clouds;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Crashes;

/// <summary>The order of a release as the container engine and kernel saw it, not as rows record it: nodes gone, unmounted, rule gone, network gone.</summary>
public sealed class ReleaseOrderTests(RunningSite site, ITestOutputHelper output) : IClassFixture<RunningSite>
{
    private static readonly TimeSpan Settles = TimeSpan.FromMinutes(2);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private Installation It => site.It;

    [Fact]
    public async Task Stop_OnTheRealEngine_ReleasesInOrder()
    {
        var order = await ReadyAsync(It.Site.Students[0]);
        await using var record = ReleaseRecord.Begin(It.Lab, order.Id);
        (await It.Site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Stop, RunPhase.Succeeded);

        await CheckAsync(record);
        await It.Site.Get<DeleteWorkspace>().RunAsync(order.Actor, order.Id, Cancel);
        await site.EndedAsync(order.Id, RunKind.Delete, RunPhase.Succeeded);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Delete_OnTheRealEngine_ReleasesInOrder()
    {
        var order = await ReadyAsync(It.Site.Students[1]);
        await using var record = ReleaseRecord.Begin(It.Lab, order.Id);
        (await It.Site.Get<DeleteWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Delete, RunPhase.Succeeded);

        await CheckAsync(record);
    }

    [Fact]
    public async Task Launch_WhoseContainerDies_FailsWithItsLastWordsAndReleasesInOrder()
    {
        await OfferAsync("doomed", ["sh", "-c", "echo the spring in the clock broke >&2; exit 3"]);
        var order = It.Site.Order(It.Site.Students[2]) with { TemplateId = "doomed" };
        await using var record = ReleaseRecord.Begin(It.Lab, order.Id);
        (await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Launch, RunPhase.Failed);

        await CheckAsync(record);
        var view = (await It.Site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!;
        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.Cause!.ShouldContain("exit code 3");
        view.Run.Cause!.ShouldContain("the spring in the clock broke");
        view.Run.Remedy.ShouldNotBeNullOrEmpty();
    }

    [Fact, Trait("Lane", "long")]
    public async Task Cancel_InTheMiddleOfALaunch_ReleasesInOrder()
    {
        // Its kernel check never succeeds, so the cancel finds everything made.
        await OfferAsync("silent", ["sleep", "infinity"]);
        var order = It.Site.Order(It.Site.Students[3]) with { TemplateId = "silent" };
        await using var record = ReleaseRecord.Begin(It.Lab, order.Id);
        (await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await Until.TrueAsync("its cluster is created", async () =>
        {
            await using var db = It.Database.Open();
            return await (
                from s in db.RunSteps
                join r in db.Runs on s.RunId equals r.Id
                where r.WorkspaceId == order.Id && s.Key == StepKey.EnsureCluster && s.EndedAt != null
                select 1).AnyAsync(Cancel);
        }, Cancel, Settles);
        (await It.Site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Stop, RunPhase.Succeeded);

        await CheckAsync(record);
    }

    private async Task CheckAsync(ReleaseRecord record)
    {
        var seen = await record.EndAsync(Cancel);
        output.WriteLine(seen.ToString());
        seen.NodesGone.ShouldBeGreaterThan(0, "a node's removal was seen");
        seen.NetworkGone.ShouldBeGreaterThan(0, "a network's removal was seen");
        seen.Samples.ShouldBeGreaterThan(20);
        // The moment is between two samples: the earlier still saw it, the later did not.
        seen.MountGone.ShouldBeGreaterThan(seen.NodesGone, "unmounted after the last node was gone");
        seen.RuleLastThere.ShouldBeGreaterThanOrEqualTo(seen.MountLastThere, "the rule outlives the mount");
        seen.NetworkGone.ShouldBeGreaterThan(seen.RuleLastThere, "addresses are freed only when no rule trusts them");
        seen.MountWithoutRule.ShouldBe(0, "a mount whose rule is gone");
    }

    private async Task<LaunchRequest> ReadyAsync(Guid student)
    {
        var order = It.Site.Order(student);
        (await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Launch, RunPhase.Succeeded);
        return order;
    }

    /// <summary>Another template with the same image, as if it had been published.</summary>
    private async Task OfferAsync(string id, string[] command)
    {
        await using var db = It.Database.Open();
        var spec = TestSite.Spec with { Id = id, Roles = [TestSite.Spec.Roles[0] with { Command = command }] };
        db.TemplateVersions.Add(new TemplateVersion { Id = TestSite.NewId(), TemplateId = id, Hash = id, Spec = spec });
        await db.SaveChangesAsync(Cancel);
    }
}
