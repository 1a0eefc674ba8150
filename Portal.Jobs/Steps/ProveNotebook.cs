using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Jobs.Proofs;
using Portal.Jobs.Runs;
using Portal.Jobs.Watch;

namespace Portal.Jobs.Steps;

/// <summary>The last step: nothing else may say Ready. A kernel computes, asked through the public address.</summary>
public sealed class ProveNotebook(IClusterCloud clusters, NodeRows rows, INotebookProof proof, RunFactsReader facts, NpgsqlDataSource data, RunOptions options) : IStep
{
    private static readonly TimeSpan WhileWebIsAway = TimeSpan.FromSeconds(2);
    public StepKey Key => StepKey.ProveNotebook;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        var cluster = await clusters.LookAsync(now.Id, cancel);
        await rows.SeeAsync(now.Id, cluster, cancel);
        if (await DeadNodes.FirstAsync(clusters, context.Facts, now, cluster?.Nodes.Where(n => n.Generation == now.Generation).ToList() ?? [], cancel) is { } dead) return dead;
        if (context.Facts.Spec.Apps.FirstOrDefault(a => a.Kernels) is not { } app) return StepAnswer.IsDone;
        return await proof.ProveAsync(new(now.Id, now.Slug, now.Generation, now.PersonId, app), cancel) switch
        {
            ProofOutcome.Proven => StepAnswer.IsDone,
            ProofOutcome.Broken broken => new StepAnswer.Fail(broken.Cause, broken.Remedy),
            ProofOutcome.NotYet { WebAway: true } away => new StepAnswer.LookAgainIn(WhileWebIsAway, away.Why),
            ProofOutcome.NotYet starting when await StepAge.IsOlderAsync(data, context.Run, Key, options.ProofDeadline, cancel) => new StepAnswer.Fail($"The notebook did not answer within {options.ProofDeadline.TotalMinutes:0} minutes: {starting.Why}", "Try again, or choose a larger size."),
            ProofOutcome.NotYet starting => StepAnswer.Soon(starting.Why),
            _ => throw new InvalidOperationException("An outcome that nobody knows."),
        };
    }
}
