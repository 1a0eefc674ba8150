using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Jobs.Runs;

namespace Portal.Jobs.Steps;

/// <summary>Creates the class share and in it the person's work folder and the nodes' scratch folders, each with its limit.</summary>
public sealed class EnsureWorkFolder(IShareCloud shares, IFilesetCloud filesets) : IStep
{
    public StepKey Key => StepKey.EnsureWorkFolder;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var facts = context.Facts;
        if (facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        await shares.EnsureShareAsync(facts.Class.Id, (long)facts.Class.Limits.StorageGib << 30, cancel);
        await filesets.EnsureAsync(facts.WorkFolder, facts.Person.Uid, (long)facts.Folder.LimitGib << 30, cancel);
        foreach (var node in facts.Nodes)
            if (facts.ScratchOf(node) is { } scratch) await filesets.EnsureAsync(scratch, facts.Person.Uid, (long)node.Role.ScratchGib << 30, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Gives the workspace's host access to those folders, and waits until the rules are in force: nothing boots before.</summary>
public sealed class EnsureAccess(IClusterCloud clusters, Release release, ClusterPlans plans, RunFactsReader facts, NpgsqlDataSource data) : IStep
{
    public StepKey Key => StepKey.EnsureAccess;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        // Earlier generations leave something behind if a broken workspace is started without being stopped first, or if the database came back
        // without its last commits and the generation was begun again.
        var earlier = ReleaseScope.Generations(now.Id, now.Generation - 1);
        if (await release.ThroughAsync(ReleaseStage.AccessRules, earlier, cancel) is { } left) return StepAnswer.Soon(left);
        return (await plans.AllowAsync(context.Facts, now, cancel)).Missing switch
        {
            null => StepAnswer.IsDone,
            AccessAnswer.Failed failed => new StepAnswer.Fail(failed.Cause, failed.Remedy),
            var asked => await SlowCloud.WaitAsync(data, clusters.Times, context.Run, Key, SlowCloud.Why(asked), TimeSpan.FromMilliseconds(400), cancel),
        };
    }
}

/// <summary>Creates the network and nodes of the current generation.</summary>
public sealed class EnsureCluster(IClusterCloud clusters, ClusterPlans plans, RunFactsReader facts, NpgsqlDataSource data) : IStep
{
    public StepKey Key => StepKey.EnsureCluster;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        var access = await plans.AllowAsync(context.Facts, now, cancel);
        if (access.Missing is { } missing) // withdrawn behind our back since it was seen
            return await SlowCloud.WaitAsync(data, clusters.Times, context.Run, Key, SlowCloud.Why(missing), TimeSpan.FromMilliseconds(400), cancel);
        var plan = plans.Make(context.Facts, now, access) with { KeepsWhatIsThere = context.Run.Kind is RunKind.Resize };
        return await clusters.EnsureAsync(plan, cancel) switch
        {
            EnsureAnswer.Done => StepAnswer.IsDone,
            EnsureAnswer.Broken broken => new StepAnswer.Fail(broken.Cause, broken.Remedy),
            EnsureAnswer.Working working => await SlowCloud.WaitAsync(data, clusters.Times, context.Run, Key, working.What, working.LookAgainIn, cancel),
            _ => throw new InvalidOperationException("Unknown answer."),
        };
    }
}

/// <summary>Waiting for something that a cloud may take minutes to make: a row with a due time, up to the cloud's own limit.</summary>
internal static class SlowCloud
{
    public static async Task<StepAnswer> WaitAsync(NpgsqlDataSource data, CloudTimes times, HeldRun run, StepKey key, string what, TimeSpan lookAgainIn,
        CancellationToken cancel) =>
        await StepAge.OfAsync(data, run, key, cancel) > times.Make
            ? new StepAnswer.Fail($"The cloud did not finish this within {times.Make.TotalMinutes:0} minutes: {what}",
                "Try again; if it happens again, tell the operator.")
            : new StepAnswer.LookAgainIn(lookAgainIn, what);

    public static string Why(AccessAnswer answer) => answer switch
    {
        AccessAnswer.Asked asked => asked.Why,
        AccessAnswer.Failed failed => failed.Cause,
        _ => "Access to the folders is not in force yet.",
    };
}
