using Portal.Core.Runs;
using Portal.Jobs.Proofs;
using Portal.Jobs.Watch;

namespace Portal.Jobs.Steps;

/// <summary>The last step, and the only one that may say Ready: a kernel computes, through the public address.</summary>
public sealed class ProveNotebook(NodeRows rows, INotebookProof proof, RunFactsReader facts, StepClock stepClock) : IStep
{
    private static readonly TimeSpan WhileWebIsUnavailable = TimeSpan.FromSeconds(2);
    public StepKey Key => StepKey.ProveNotebook;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var clusters = context.Facts.Kit.Clusters;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        var cluster = await clusters.LookAsync(now.Id, cancel);
        await rows.SeeAsync(now.Id, cluster, cancel);
        var nodes = cluster?.Nodes.Where(n => n.Generation == now.Generation).ToList() ?? [];
        if (await DeadNodes.FirstAsync(context.Facts, now, nodes, cancel) is { } dead) return dead;
        if (context.Facts.Spec.Apps.FirstOrDefault(a => a.Kernels) is not { } app) return StepAnswer.IsDone;
        var outcome = await proof.ProveAsync(new(now.Id, now.Slug, now.PersonId, app, nodes.First(n => n.Name == app.Role).EndPointOf(app.Port)), cancel);
        var age = await stepClock.AgeAsync(context.Run, cancel);
        return outcome switch
        {
            ProofOutcome.Proven => StepAnswer.IsDone,
            ProofOutcome.Broken broken => new StepAnswer.Fail(broken.Cause, broken.Remedy),
            ProofOutcome.NotYet { WebUnavailable: true } unavailable => new StepAnswer.LookAgainIn(WhileWebIsUnavailable, unavailable.Why),
            ProofOutcome.NotYet starting when age > clusters.Times.Prove => new StepAnswer.Fail(
                $"The notebook did not respond within {clusters.Times.Prove.TotalMinutes:0} minutes: {starting.Why}",
                "Try again, or choose a larger size. " + KernelProof.OwnSettings),
            ProofOutcome.NotYet starting => StepAnswer.Waits(age, starting.Why),
            _ => throw new InvalidOperationException("Unknown proof outcome."),
        };
    }
}
