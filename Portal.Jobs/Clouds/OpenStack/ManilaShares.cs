using System.Net;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// Access to work folders as Manila's access rules, which trust addresses: the workspace's own, or the one in <see cref="OpenStackOptions.RuleAddress"/>.
/// A rule lists the workspaces that need it, so that one that several need stays until the last has let go of it. Deletes no share: denying a rule and
/// deleting its share at the same time leaves both in error.
/// </summary>
internal sealed class ManilaShares(Manila manila, ManilaFolders folders, ManilaNames names, OpenStackOptions options, TimeProvider clock)
    : IShareCloud
{
    private const int AtOnce = 8;
    private static readonly TimeSpan Lately = TimeSpan.FromHours(1);

    /// <summary>Changes of rules by this process, one share at a time: which workspaces need a rule is read and then written.</summary>
    private readonly SemaphoreSlim[] _changes = [.. Enumerable.Range(0, 16).Select(_ => new SemaphoreSlim(1))];

    public async Task<StorageReport> PrepareAsync(CancellationToken cancel)
    {
        var version = await manila.VersionAsync(cancel);
        var type = TypeOf(await manila.TypesAsync(cancel));
        var gigabytes = ManilaQuota.Of(await manila.QuotasAsync(cancel), "gigabytes");
        if (gigabytes.Left is not { } left)
            throw new CloudException(Services.Manila, CloudFault.Refused, "the project has no limit on the size of its shares, and the portal needs one",
                "Ask the administrators of the OpenStack cloud to set one: openstack quota set --gigabytes 1000 PROJECT (or manila quota-update).");
        var guarded = version >= ManilaVersions.Locks ? "locked against deletion" : "not protected against deletion by others";
        return new($"Manila {version}, share type {type}; limits are enforced, usage is not reported; shares are {guarded}", true,
            (long)gigabytes.Limit << 30, (long)left << 30);
    }

    /// <summary>Each folder is a share: a class has none.</summary>
    public Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limitBytes);
        return Task.CompletedTask;
    }

    public async Task<AccessAnswer> AllowAsync(ShareAccess access, string subnet, CancellationToken cancel)
    {
        if (access.Folder is FolderRef.Scratch scratch) return new AccessAnswer.Active(new MountSource.OwnDisk(scratch.Node));
        var share = await folders.FindAsync((FolderRef.Work)access.Folder, cancel)
            ?? throw new CloudException(Services.Manila, CloudFault.Missing, "there is no work folder to mount", "Create the work folder first.");
        if (share.IsBroken) return Failed(await folders.BrokenAsync(share, cancel));
        if (!share.IsUsable) return new AccessAnswer.Asked($"The storage is changing the folder ({share.Status}).");
        var to = options.RuleAddress.Length > 0 ? options.RuleAddress : subnet;
        return await AloneAsync(share.Id, async () =>
        {
            var rule = (await manila.RulesAsync(share.Id, cancel)).FirstOrDefault(r => SameNetwork(r.To, to));
            if (rule is { IsLeaving: true }) return new AccessAnswer.Asked("An older access rule for these addresses is being removed.");
            if (rule is not null && (rule.Level != "rw" || !ManilaNames.NeedsOf(rule).Any()))
                return new AccessAnswer.Failed($"The share {share.Id} has an access rule for {to} that the portal did not make.",
                    $"Remove it: openstack share access delete {share.Id} {rule.Id}");
            // Before the rule: what has one is always found by its workspace, and never deleted as one that holds nothing.
            if (!share.Metadata.ContainsKey(ManilaNames.KeyOf(access.Workspace)) || !share.Metadata.ContainsKey(ManilaNames.Ready))
                await manila.DescribeAsync(share.Id, new Dictionary<string, string>(names.Of(access.Workspace), StringComparer.Ordinal)
                {
                    [ManilaNames.Ready] = "1",
                }, cancel);
            var need = ManilaNames.Of(access.Workspace, access.Generation);
            if (rule is null)
            {
                try { await manila.AllowAsync(share.Id, to, need, cancel); }
                catch (CloudException e) when (e.Fault is CloudFault.Refused or CloudFault.Conflict)
                {
                    if (!await IsForAMomentAsync(share.Id, to, cancel)) throw;
                }
                return new AccessAnswer.Asked("The storage is granting access.");
            }
            // A late call never lowers it: the rule is then of the newer generation.
            if (GenerationOf(rule, access.Workspace) is not { } generation || generation < access.Generation)
                await manila.DescribeRuleAsync(rule.Id, need, cancel);
            return await StateAsync(share, rule, cancel);
        }, cancel);
    }

    public async Task<IReadOnlyList<ShareAccess>> AccessAsync(Guid workspace, CancellationToken cancel) =>
        [.. (await RulesOfAsync(await manila.SharesWithAsync(names.Of(workspace), cancel), cancel)).Select(r => r.Access).Where(a => a.Workspace == workspace)];

    /// <summary>Looks at every share, and corrects what a share says about its workspaces if somebody else changed it.</summary>
    public async Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel)
    {
        var rules = await RulesOfAsync(await manila.SharesWithAsync(names.Ours, cancel), cancel);
        foreach (var (share, access) in rules)
            if (!share.Metadata.ContainsKey(ManilaNames.KeyOf(access.Workspace))) await manila.DescribeAsync(share.Id, names.Of(access.Workspace), cancel);
        return [.. rules.Select(r => r.Access)];
    }

    /// <summary>The nodes' own hosts mount, and end with the nodes.</summary>
    public Task UnmountAsync(ShareAccess access, CancellationToken cancel) => Task.CompletedTask;

    public async Task<AccessAnswer> DenyAsync(ShareAccess access, CancellationToken cancel)
    {
        if (access.Folder is not FolderRef.Work work) return new AccessAnswer.Gone();
        var left = false;
        foreach (var share in await folders.AllAsync(work, cancel)) left |= await DenyAsync(share, access, cancel);
        return left ? new AccessAnswer.Asked("The storage is revoking access.") : new AccessAnswer.Gone();
    }

    /// <summary>Whether a rule is left that must go.</summary>
    private Task<bool> DenyAsync(ManilaShare share, ShareAccess access, CancellationToken cancel) =>
        AloneAsync(share.Id, async () =>
        {
            var left = false;
            foreach (var rule in await manila.RulesAsync(share.Id, cancel))
            {
                if (GenerationOf(rule, access.Workspace) != access.Generation) continue;
                // One in error too: it may have been active, and be mounted by the others.
                if (!rule.IsLeaving && ManilaNames.NeedsOf(rule).Any(n => n.Workspace != access.Workspace))
                {
                    await manila.ForgetOfRuleAsync(rule.Id, ManilaNames.KeyOf(access.Workspace), cancel);
                    continue;
                }
                left = true;
                if (!rule.IsLeaving) await manila.DenyAsync(share.Id, rule.Id, cancel);
            }
            return left;
        }, cancel);

    /// <summary>Name of the type of new shares; refused if it does not exist or is unsuitable.</summary>
    private string TypeOf(IReadOnlyList<ManilaType> types)
    {
        var offered = string.Join(", ", types.Where(t => !t.HandlesServers).Select(t => t.Name));
        var type = options.ShareType.Length > 0 ? types.FirstOrDefault(t => t.Name == options.ShareType) : types.FirstOrDefault(t => t.IsDefault);
        if (type is { HandlesServers: false }) return type.Name;
        var message = type is not null ? $"shares of the type {type.Name} need a network of their own, which the portal does not make"
            : options.ShareType.Length > 0 ? $"there is no share type {options.ShareType}"
            : "the cloud has no default share type";
        throw new CloudException(Services.Manila, CloudFault.Refused, message,
            $"Set {OpenStackOptions.Section}:ShareType to one of these: {(offered.Length > 0 ? offered : "none is offered to this project")}.");
    }

    /// <summary>Whether a rule was refused because somebody else made it just now, or because the share is being resized: the next call sees which.</summary>
    private async Task<bool> IsForAMomentAsync(string share, string to, CancellationToken cancel) =>
        await manila.ShareAsync(share, cancel) is { IsUsable: false, IsBroken: false }
        || (await manila.RulesAsync(share, cancel)).Any(r => SameNetwork(r.To, to));

    private async Task<AccessAnswer> StateAsync(ManilaShare share, ManilaRule rule, CancellationToken cancel)
    {
        if (rule.State == "error")
        {
            var said = await manila.CauseAsync(share.Id, clock.GetUtcNow() - Lately, ManilaActions.ChangeRules, cancel);
            return new AccessAnswer.Failed($"The storage could not grant access to {rule.To}{(said is null ? "." : $": {said}")}",
                "Try again; if it happens again, ask the administrators of the OpenStack cloud.");
        }
        if (rule.State != "active") return new AccessAnswer.Asked($"The storage is granting access ({rule.State}).");
        return (await manila.ExportsAsync(share.Id, cancel)) is [var location, ..]
            ? new AccessAnswer.Active(new MountSource.Export(location, ManilaNames.Folder))
            : new AccessAnswer.Asked("The storage has not reported an export location yet.");
    }

    private async Task<IReadOnlyList<(ManilaShare Share, ShareAccess Access)>> RulesOfAsync(IReadOnlyList<ManilaShare> shares, CancellationToken cancel)
    {
        var found = new System.Collections.Concurrent.ConcurrentBag<(ManilaShare, ShareAccess)>();
        await Parallel.ForEachAsync(shares, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (share, until) =>
        {
            if (names.FolderOf(share) is not { } folder) return;
            foreach (var (workspace, generation) in (await manila.RulesAsync(share.Id, until)).SelectMany(ManilaNames.NeedsOf).Distinct())
                found.Add((share, new(workspace, generation, folder)));
        });
        return [.. found];
    }

    private async Task<T> AloneAsync<T>(string share, Func<Task<T>> work, CancellationToken cancel)
    {
        var one = _changes[(uint)string.GetHashCode(share, StringComparison.Ordinal) % _changes.Length];
        await one.WaitAsync(cancel);
        try { return await work(); }
        finally { one.Release(); }
    }

    private static AccessAnswer.Failed Failed(EnsureAnswer.Broken broken) => new(broken.Cause, broken.Remedy);

    private static int? GenerationOf(ManilaRule rule, Guid workspace) =>
        ManilaNames.NeedsOf(rule).Where(n => n.Workspace == workspace).Select(n => (int?)n.Generation).FirstOrDefault();

    /// <summary>192.0.2.7 and 192.0.2.7/32 are the same.</summary>
    private static bool SameNetwork(string one, string other) => Normal(one) == Normal(other);

    private static string Normal(string to) => IPNetwork.TryParse(to.Contains('/', StringComparison.Ordinal) ? to : $"{to}/32", out var network)
        ? network.ToString() : to;
}
