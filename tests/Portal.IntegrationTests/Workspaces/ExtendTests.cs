using Microsoft.EntityFrameworkCore;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Workspaces;

/// <summary>Only a workspace that is running or coming up has an end time that can be moved.</summary>
public sealed class ExtendTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(RunKind.Launch, RunPhase.Queued, false, null, true)]
    [InlineData(RunKind.Launch, RunPhase.Waiting, false, null, true)]
    [InlineData(RunKind.Start, RunPhase.Active, false, null, true)]
    [InlineData(RunKind.Start, RunPhase.Succeeded, false, null, true)]
    [InlineData(RunKind.Launch, RunPhase.Active, true, null, false)]
    [InlineData(RunKind.Launch, RunPhase.Active, false, RunKind.Stop, false)]
    [InlineData(RunKind.Launch, RunPhase.Failed, false, null, false)]
    [InlineData(RunKind.Start, RunPhase.Cancelled, false, null, false)]
    [InlineData(RunKind.Stop, RunPhase.Active, false, null, false)]
    [InlineData(RunKind.Stop, RunPhase.Succeeded, false, null, false)]
    [InlineData(RunKind.Delete, RunPhase.Queued, false, null, false)]
    [InlineData(RunKind.Delete, RunPhase.Waiting, false, null, false)]
    public async Task Extend_InEachState_IsAcceptedOnlyWhereSomethingRunsOrComesUp(RunKind kind, RunPhase phase, bool releasing, RunKind? requested,
        bool accepted)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await database.ExecuteAsync($"update portal.runs set kind = {kind.ToString()}, phase = {phase.ToString()}, releasing = {releasing}", Cancel);
        await database.ExecuteAsync($"update portal.workspaces set requested_run = {requested?.ToString()}", Cancel);
        await ExtendAsync(database, site, order, accepted);
    }

    /// <summary>Whatever the outcome or state of a Resize, the workspace is running.</summary>
    [Theory]
    [InlineData(RunPhase.Active, null)]
    [InlineData(RunPhase.Active, RunKind.Resize)]
    [InlineData(RunPhase.Succeeded, null)]
    [InlineData(RunPhase.Failed, null)]
    public async Task Extend_AfterAResize_IsAccepted(RunPhase phase, RunKind? requested)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await database.ExecuteAsync($"update portal.runs set phase = 'Succeeded', ended_at = clock_timestamp()", Cancel);
        await database.ExecuteAsync(
            $"insert into portal.runs (workspace_id, number, kind, phase) values ({order.Id}, 2, 'Resize', {phase.ToString()})", Cancel);
        await database.ExecuteAsync($"update portal.workspaces set requested_run = {requested?.ToString()}", Cancel);
        await ExtendAsync(database, site, order, accepted: true);
    }

    private static async Task ExtendAsync(TestDatabase database, TestSite site, LaunchRequest order, bool accepted)
    {
        var later = order.EndAt.AddHours(1);

        var outcome = await site.Get<ExtendWorkspace>().RunAsync(new(site.Students[0]), order.Id, later, Cancel);

        await using var db = database.Open();
        var end = (await db.Workspaces.SingleAsync(Cancel)).EndAt;
        if (accepted)
        {
            outcome.ShouldBeOfType<ChangeOutcome.Accepted>();
            end.ShouldBe(later, TimeSpan.FromMilliseconds(1));
        }
        else
        {
            outcome.ShouldBe(new ChangeOutcome.Refused(ChangeRefusal.NotNow));
            end.ShouldBe(order.EndAt, TimeSpan.FromMilliseconds(1));
        }
    }
}
