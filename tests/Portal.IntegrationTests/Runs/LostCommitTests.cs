using Microsoft.EntityFrameworkCore;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>
/// A database that came back without its last commits, as after a fail-over to a lagging replica: the run repeats steps whose
/// results already exist, under a new generation.
/// </summary>
public sealed class LostCommitTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(StepKey.EnsureAccess)] // the folder was mounted and the rule was there
    [InlineData(StepKey.ProveNotebook)] // and the node ran
    public async Task Launch_StepsWereForgotten_NothingOfTheGenerationBeforeIsTrustedAnyMore(StepKey reached)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var unavailable = true;
        var clouds = new ScriptedClouds((what, _) => unavailable && reached is StepKey.EnsureAccess && what is "ensure" ? Mood.Unavailable : Mood.Well)
        {
            Proof = _ => unavailable ? new Jobs.Proofs.ProofOutcome.NotYet("It starts.", WebUnavailable: true) : new Jobs.Proofs.ProofOutcome.Proven(),
        };
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(10));
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await Task.WhenAll(await jobs.ClaimAsync(Cancel));
        clouds.TrustedOf(order.Id).ShouldBe([1]);
        clouds.NodesOf(order.Id).Select(n => n.Generation).ShouldBe(reached is StepKey.EnsureAccess ? [] : [1]);
        await using (var db = database.Open()) (await db.RunSteps.CountAsync(s => s.Key == StepKey.EnsureAccess && s.EndedAt != null, Cancel)).ShouldBe(1);

        await database.ExecuteAsync($"update portal.runs set done_step = null, due_at = clock_timestamp()", Cancel);
        unavailable = false;
        await jobs.UntilSettledAsync(Cancel);

        clouds.Broken.ShouldBeEmpty();
        clouds.TrustedOf(order.Id).ShouldBe([2]);
        clouds.NodesOf(order.Id).Select(n => n.Generation).ShouldBe([2]);
        (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!.Status.ShouldBe(WorkspaceStatus.Ready);
    }

    /// <summary>It waited long for the web before; that is not time in which the notebook did not respond.</summary>
    [Fact]
    public async Task Launch_AStepIsBegunAgain_ItsTimeCountsFromThen()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var (unavailable, starting) = (true, 3);
        var clouds = new ScriptedClouds((_, _) => Mood.Well)
        {
            Proof = _ => unavailable || starting-- > 0
                ? new Jobs.Proofs.ProofOutcome.NotYet("It starts.", WebUnavailable: unavailable)
                : new Jobs.Proofs.ProofOutcome.Proven(),
        };
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(10));
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await Task.WhenAll(await jobs.ClaimAsync(Cancel));

        await database.ExecuteAsync($"update portal.run_steps set began_at = began_at - interval '1 hour', ended_at = ended_at - interval '1 hour'", Cancel);
        await database.ExecuteAsync($"update portal.runs set done_step = null, due_at = clock_timestamp()", Cancel);
        unavailable = false;
        await jobs.UntilSettledAsync(Cancel);

        (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!.Status.ShouldBe(WorkspaceStatus.Ready);
    }
}
