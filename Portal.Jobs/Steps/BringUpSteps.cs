using Portal.Core.Clouds;
using Portal.Core.Runs;

namespace Portal.Jobs.Steps;

/// <summary>
/// Creates the class share and in it the person's work folder and the nodes' scratch folders, each with its limit. What earlier generations left
/// is released first: they leave something behind if a broken workspace is started without being stopped first, or if the database came back
/// without its last commits and the generation was begun again.
/// </summary>
public sealed class EnsureWorkFolder(RunFactsReader facts, StepClock clock) : IStep
{
    public StepKey Key => StepKey.EnsureWorkFolder;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var ordered = context.Facts;
        if (ordered.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var earlier = (await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel)).Generation - 1;
        if (earlier > 0
            && await new Release(ordered.Kit).ThroughAsync(ReleaseStage.AccessRules, ReleaseScope.Generations(context.Run.WorkspaceId, earlier), cancel)
                is { } left)
            return await clock.WaitAsync(context.Run, left, cancel);
        await ordered.Kit.Shares.EnsureShareAsync(ordered.Class.Id, (long)ordered.Class.Limits.StorageGib << 30, cancel);
        var filesets = ordered.Kit.Filesets;
        var answer = await filesets.EnsureAsync(ordered.WorkFolder, ordered.Person.Uid, (long)ordered.Folder.LimitGib << 30, cancel);
        foreach (var node in ordered.Nodes)
            if (ordered.ScratchOf(node) is { } scratch)
                answer = Later(answer, await filesets.EnsureAsync(scratch, ordered.Person.Uid, (long)node.Role.ScratchGib << 30, cancel));
        return answer switch
        {
            EnsureAnswer.Done => StepAnswer.IsDone,
            EnsureAnswer.Broken broken => new StepAnswer.Fail(broken.Cause, broken.Remedy),
            EnsureAnswer.Working working => await clock.WaitAtMostAsync(
                context.Run, working.What, working.LookAgainIn, ordered.Kit.Clusters.Times.Make, cancel),
            _ => throw new InvalidOperationException("Unknown answer."),
        };
    }

    /// <summary>A folder that is broken decides over one that is being made, and that over those that are there.</summary>
    private static EnsureAnswer Later(EnsureAnswer one, EnsureAnswer other) =>
        one is EnsureAnswer.Broken || other is EnsureAnswer.Done ? one : one is EnsureAnswer.Working && other is EnsureAnswer.Working ? one : other;
}

/// <summary>Gives the workspace's host access to those folders, and waits until the rules are in force: nothing boots before.</summary>
public sealed class EnsureAccess(ClusterPlans plans, RunFactsReader facts, StepClock clock) : IStep
{
    public StepKey Key => StepKey.EnsureAccess;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        if (now.Subnet is null) return StepAnswer.IsNothing; // they were given up: EnsureCluster takes others, and asks for access then
        var access = await plans.AllowAsync(context.Facts, now, cancel);
        return await access.WaitAsync(context.Run, clock, context.Facts.Kit.Clusters.Times, cancel) ?? StepAnswer.IsDone;
    }
}

/// <summary>
/// Creates the network and nodes of the current generation. With addresses that something else on the host has taken the cloud would refuse again:
/// they are given up, and others are taken once no rule trusts them any more. A workspace that grows has its network, and keeps it.
/// </summary>
public sealed class EnsureCluster(ClusterPlans plans, GrantedAccess granted, Generations generations, RunFactsReader facts, StepClock clock) : IStep
{
    public StepKey Key => StepKey.EnsureCluster;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Facts.Shrinks(context.Run)) return StepAnswer.IsNothing;
        var clusters = context.Facts.Kit.Clusters;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        if (now.Subnet is null)
        {
            var scope = ReleaseScope.Generations(now.Id, now.Generation);
            if (await new Release(context.Facts.Kit).ThroughAsync(ReleaseStage.AccessRules, scope, cancel) is { } left)
                return await clock.WaitAsync(context.Run, left, cancel);
            await generations.TakeOtherAddressesAsync(context.Run, context.Facts.Kit, cancel);
            now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        }
        var access = await granted.AllowAsync(context.Facts, now, cancel); // it may have been withdrawn since the last step
        if (await access.WaitAsync(context.Run, clock, clusters.Times, cancel) is { } wait) return wait;
        var plan = plans.Make(context.Facts, now, access) with { KeepsWhatIsThere = context.Run.Kind is RunKind.Resize };
        EnsureAnswer? answer = null;
        try
        {
            answer = await clusters.EnsureAsync(plan, cancel);
        }
        catch (CloudException e) when (e.Fault is CloudFault.AddressesTaken && context.Run.Kind is not RunKind.Resize)
        {
            await generations.GiveUpAddressesAsync(context.Run, cancel);
            throw;
        }
        finally
        {
            if (answer is not EnsureAnswer.Working) granted.Forget(now);
        }
        return answer switch
        {
            EnsureAnswer.Done => StepAnswer.IsDone,
            EnsureAnswer.Broken broken => new StepAnswer.Fail(broken.Cause, broken.Remedy),
            EnsureAnswer.Working working => await clock.WaitAtMostAsync(context.Run, working.What, working.LookAgainIn, clusters.Times.Make, cancel),
            _ => throw new InvalidOperationException("Unknown answer."),
        };
    }
}
