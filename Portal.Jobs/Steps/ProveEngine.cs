using Npgsql;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Jobs.Proofs;
using Portal.Jobs.Runs;
using Portal.Jobs.Watch;

namespace Portal.Jobs.Steps;

/// <summary>Every node answers, and every worker has registered with its engine: asked of the engine itself, not of the containers.</summary>
public sealed class ProveEngine(IClusterCloud clusters, NodeRows rows, EngineCounts engine, RunFactsReader facts, NpgsqlDataSource data, RunOptions options) : IStep
{
    public StepKey Key => StepKey.ProveEngine;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (!PlanSteps.HasWork(Key, context.Facts.Spec)) return StepAnswer.IsNothing;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        var cluster = await clusters.LookAsync(now.Id, cancel);
        await rows.SeeAsync(now.Id, cluster, cancel);
        var nodes = cluster?.Nodes.Where(n => n.Generation == now.Generation).ToList() ?? [];
        if (await DeadNodes.FirstAsync(clusters, context.Facts, now, nodes, cancel) is { } dead) return dead;
        if (await MissingAsync(context.Facts, nodes, cancel) is not { } missing) return StepAnswer.IsDone;
        var age = await StepAge.OfAsync(data, context.Run, Key, cancel);
        return age > options.ProofDeadline
            ? new StepAnswer.Fail($"The engine was not complete within {options.ProofDeadline.TotalMinutes:0} minutes: {missing}", "Try again, or choose a larger size.")
            : StepAnswer.Waits(age, missing);
    }

    /// <summary>What is not there yet, for a person; null when all is.</summary>
    private async Task<string?> MissingAsync(RunFacts facts, IReadOnlyList<NodeNow> nodes, CancellationToken cancel)
    {
        foreach (var node in facts.Nodes)
            if (node.Role.Health is { } health && !await engine.AnswersAsync(nodes, node.Name, health, cancel)) return $"{node.Name} does not answer yet.";
        if (facts.Spec.WorkerRole() is not { } role) return null;
        foreach (var check in role.Registered)
            if (await engine.CountAsync(nodes, check, cancel) is var count && count != facts.Workers) return $"{check.Title}: {count?.ToString("0", System.Globalization.CultureInfo.InvariantCulture) ?? "none"} of {facts.Workers}.";
        return null;
    }
}

/// <summary>A node that ended while it should come up fails the step, with its last words.</summary>
internal static class DeadNodes
{
    private const int LastLines = 15;

    /// <summary>Null while every wanted node is there and none has ended.</summary>
    public static async Task<StepAnswer.Fail?> FirstAsync(IClusterCloud clusters, RunFacts facts, Core.Workspaces.Workspace now, IReadOnlyList<NodeNow> seen, CancellationToken cancel)
    {
        foreach (var wanted in facts.Nodes)
        {
            if (seen.FirstOrDefault(n => n.Name == wanted.Name) is not { } node) return new($"The node {wanted.Name} is gone.", "Try again; if it happens again, tell the operator.");
            if (node.State == NodeState.Exited) return await DiedAsync(clusters, now.Id, node, cancel);
        }
        return null;
    }

    private static async Task<StepAnswer.Fail> DiedAsync(IClusterCloud clusters, Guid id, NodeNow node, CancellationToken cancel)
    {
        var last = (await clusters.LogTailAsync(id, node.Name, LastLines, cancel)).LastOrDefault(l => l.Trim().Length > 0);
        var words = node.OutOfMemory ? "It ran out of memory." : last is null ? "" : $"Its last words: {(last.Length > 300 ? last[..300] : last)}";
        return new($"The node {node.Name} ended while it started (exit code {node.ExitCode}). {words}".TrimEnd(),
            node.OutOfMemory ? "Choose a larger size and try again." : "Try again; the log has more. If it happens again, tell the operator.");
    }
}
