using Portal.Core.Access;
using Portal.Core.Clouds;
using Portal.Core.Runs;

namespace Portal.Jobs.Steps;

/// <summary>The class share and in it the person's work folder with their limits.</summary>
public sealed class EnsureWorkFolder(IShareCloud shares, IFilesetCloud filesets) : IStep
{
    public StepKey Key => StepKey.EnsureWorkFolder;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var (_, @class, _, person, _, folder, _) = context.Facts;
        await shares.EnsureShareAsync(@class.Id, (long)@class.Limits.StorageGib << 30, cancel);
        await filesets.EnsureAsync(@class.Id, person.Id, person.Uid, (long)folder.LimitGib << 30, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Lets the workspace's host reach that folder, and mounts it there.</summary>
public sealed class EnsureAccess(IShareCloud shares, RunFactsReader facts) : IStep
{
    public StepKey Key => StepKey.EnsureAccess;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        await shares.AllowAsync(new(now.Id, now.Generation, now.ClassId, now.PersonId), cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>Network and nodes of the present generation.</summary>
public sealed class EnsureCluster(IClusterCloud clusters, IShareCloud shares, RunFactsReader facts, AppToken tokens) : IStep
{
    public const string WorkFolder = "/home/student/work";
    public StepKey Key => StepKey.EnsureCluster;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        var (_, @class, _, person, spec, _, images) = context.Facts;
        var now = await facts.WorkspaceAsync(context.Run.WorkspaceId, cancel);
        var size = context.Facts.Size!;
        var path = await shares.AllowAsync(new(now.Id, now.Generation, @class.Id, person.Id), cancel);
        var nodes = spec.Roles.Select(role => new NodePlan(
            role.Name, role.Name, images[role.Image], person.Uid, role.Command, role.Environment,
            role.Token is { } variable && spec.Apps.FirstOrDefault(a => a.Role == role.Name) is { } app
                ? new Dictionary<string, string>(StringComparer.Ordinal) { [variable] = tokens.Of(now.Id, now.Generation, app.Id) }
                : new Dictionary<string, string>(StringComparer.Ordinal),
            [new(path, WorkFolder, ReadOnly: false)], size.MemoryMib, size.Vcpu));
        await clusters.EnsureAsync(new(now.Id, now.Generation, now.Subnet!, [.. nodes]), cancel);
        return StepAnswer.IsDone;
    }
}
