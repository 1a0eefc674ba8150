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
    private const int LastLines = 15;
    public StepKey Key => StepKey.ProveNotebook;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        var cluster = await clusters.LookAsync(now.Id, cancel);
        var nodes = cluster?.Nodes.Where(n => n.Generation == now.Generation).ToList() ?? [];
        await rows.SeeAsync(now.Id, cluster, cancel);
        foreach (var role in context.Facts.Spec.Roles)
        {
            if (nodes.Find(n => n.Name == role.Name) is not { } node) return new StepAnswer.Fail($"The node {role.Name} is gone.", "Try again; if it happens again, tell the operator.");
            if (node.State == NodeState.Exited) return await DiedAsync(now.Id, node, cancel);
        }
        if (context.Facts.Spec.Apps.FirstOrDefault(a => a.Kernels) is not { } app) return StepAnswer.IsDone;
        return await proof.ProveAsync(new(now.Id, now.Slug, now.Generation, now.PersonId, app), cancel) switch
        {
            ProofOutcome.Proven => StepAnswer.IsDone,
            ProofOutcome.Broken broken => new StepAnswer.Fail(broken.Cause, broken.Remedy),
            ProofOutcome.NotYet { WebAway: true } away => new StepAnswer.LookAgainIn(WhileWebIsAway, away.Why),
            ProofOutcome.NotYet starting when await TookTooLongAsync(context.Run, cancel) => new StepAnswer.Fail($"The notebook did not answer within {options.ProofDeadline.TotalMinutes:0} minutes: {starting.Why}", "Try again, or choose a larger size."),
            ProofOutcome.NotYet starting => StepAnswer.Soon(starting.Why),
            _ => throw new InvalidOperationException("An outcome that nobody knows."),
        };
    }

    private async Task<StepAnswer> DiedAsync(Guid id, NodeNow node, CancellationToken cancel)
    {
        var last = (await clusters.LogTailAsync(id, node.Name, LastLines, cancel)).LastOrDefault(l => l.Trim().Length > 0);
        var words = node.OutOfMemory ? "It ran out of memory." : last is null ? "" : $"Its last words: {(last.Length > 300 ? last[..300] : last)}";
        return new StepAnswer.Fail($"The node {node.Name} ended while it started (exit code {node.ExitCode}). {words}".TrimEnd(),
            node.OutOfMemory ? "Choose a larger size and try again." : "Try again; the log has more. If it happens again, tell the operator.");
    }

    private async Task<bool> TookTooLongAsync(HeldRun run, CancellationToken cancel)
    {
        await using var command = data.CreateCommand("select began_at < clock_timestamp() - $1 from portal.run_steps where run_id = $2 and key = $3");
        foreach (var value in (object[])[options.ProofDeadline, run.Id, nameof(StepKey.ProveNotebook)]) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteScalarAsync(cancel) is true;
    }
}
