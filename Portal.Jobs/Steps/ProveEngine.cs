using System.Globalization;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Core.Runs;
using Portal.Jobs.Proofs;
using Portal.Jobs.Watch;

namespace Portal.Jobs.Steps;

/// <summary>Every node and app answers, and every worker has registered: the compute engine itself is asked, not the containers.</summary>
public sealed class ProveEngine(NodeRows rows, EngineCounts engine, RunFactsReader facts, StepClock stepClock,
    TimeProvider clock) : IStep
{
    // During a launch the compute engine is asked often but the containers are rarely listed,
    // because listing costs CPU time on the machine on which they start.
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(1), BetweenQuestions = TimeSpan.FromMilliseconds(40);

    public StepKey Key => StepKey.ProveEngine;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (!PlanSteps.HasWork(Key, context.Facts.Spec)) return StepAnswer.IsNothing;
        var clusters = context.Facts.Kit.Clusters;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        var cluster = await clusters.LookAsync(now.Id, cancel);
        await rows.SeeAsync(now.Id, cluster, cancel);
        var nodes = cluster?.Nodes.Where(n => n.Generation == now.Generation).ToList() ?? [];
        if (await DeadNodes.FirstAsync(context.Facts, now, nodes, cancel) is { } dead) return dead;
        if (await MissingAsync(Questions(context.Facts, nodes), cancel) is not { } missing) return StepAnswer.IsDone;
        var age = await stepClock.AgeAsync(context.Run, cancel);
        return age > clusters.Times.Prove
            ? new StepAnswer.Fail($"The compute engine was not ready within {clusters.Times.Prove.TotalMinutes:0} minutes: {missing}",
                "Try again, or choose a larger size.")
            : StepAnswer.Waits(age, missing);
    }

    /// <summary>The conditions, in the order in which they come true: each returns null, or what is missing, as text for people.</summary>
    private IEnumerable<Func<CancellationToken, Task<string?>>> Questions(RunFacts facts, IReadOnlyList<NodeStatus> nodes)
    {
        foreach (var node in facts.Nodes)
            if (node.Role.Health is { } health) yield return Answers(node.Name, node.Name, health);
        foreach (var check in facts.Spec.WorkerRole()?.Registered ?? []) yield return Registered(check);
        foreach (var app in facts.Spec.AppsOnNodes(facts.Workers))
            if (app.Spec.Health is { } path) yield return Answers(app.Title, app.Node, new(app.Spec.Port, path));

        Func<CancellationToken, Task<string?>> Answers(string title, string node, HealthSpec health) =>
            async cancel => await engine.AnswersAsync(nodes, node, health, cancel) ? null : $"{title} is not responding yet.";

        Func<CancellationToken, Task<string?>> Registered(CountSpec check) => async cancel =>
            await engine.CountAsync(nodes, check, cancel) is var count && count == facts.Workers
                ? null
                : $"{check.Title}: {count?.ToString("0", CultureInfo.InvariantCulture) ?? "none"} of {facts.Workers}.";
    }

    private async Task<string?> MissingAsync(IEnumerable<Func<CancellationToken, Task<string?>>> questions, CancellationToken cancel)
    {
        var began = clock.GetTimestamp();
        foreach (var question in questions)
            while (await question(cancel) is { } missing)
            {
                if (clock.GetElapsedTime(began) > BetweenLooks) return missing;
                await Task.Delay(BetweenQuestions, clock, cancel);
            }
        return null;
    }
}

/// <summary>A node that exits while coming up fails the step, with its last log lines.</summary>
internal static class DeadNodes
{
    private const int LastLines = 15, LongestLine = 300;

    /// <summary>Null while every wanted node exists and none has exited.</summary>
    public static async Task<StepAnswer.Fail?> FirstAsync(RunFacts facts, Core.Workspaces.Workspace now,
        IReadOnlyList<NodeStatus> seen, CancellationToken cancel)
    {
        foreach (var wanted in facts.Nodes)
        {
            if (seen.FirstOrDefault(n => n.Name == wanted.Name) is not { } node)
                return new($"The node {wanted.Name} is gone.", "Try again; if it happens again, contact the operator.");
            if (node.State == NodeState.Broken)
                return new($"The node {wanted.Name} could not be created: {node.Reason ?? "its cloud gives no reason."}",
                    "Try again; if it happens again, contact the operator.");
            if (node.State == NodeState.Exited) return await DiedAsync(facts.Kit.Clusters, now.Id, node, wanted.Role.Files, cancel);
        }
        return null;
    }

    private static async Task<StepAnswer.Fail> DiedAsync(IClusterCloud clusters, Guid id, NodeStatus node, bool files, CancellationToken cancel)
    {
        var last = (await LastLinesAsync(clusters, id, node.Name, cancel)).LastOrDefault(l => l.Trim().Length > 0);
        var detail = node.OutOfMemory ? "It ran out of memory." : last is null ? "" : $"Last output: {ForeignText.Clean(last, LongestLine)}";
        return new($"The node {node.Name} exited while starting (exit code {node.ExitCode}). {detail}".TrimEnd(),
            node.OutOfMemory ? "Choose a larger size and try again." : TryAgain(files));
    }

    /// <summary>The remedy if a node does not come up: nodes with the person's files also read the person's own settings.</summary>
    public static string TryAgain(bool files) => files
        ? "Try again; see the log for details. If you changed the notebook's or the shell's settings, choose “Start without my settings”."
        : "Try again; see the log for details. If it happens again, contact the operator.";

    /// <summary>Empty if they cannot be read.</summary>
    private static async Task<IReadOnlyList<string>> LastLinesAsync(IClusterCloud clusters, Guid id, string node, CancellationToken cancel)
    {
        try { return await clusters.LogTailAsync(id, node, LastLines, cancel); }
        catch (CloudException) { return []; }
    }
}
