using Portal.Core.Clouds;

namespace Portal.TestKit.Scripted;

/// <summary>Its shares and filesets: rules that are granted and revoked slowly or end in error, mounts and folders.</summary>
public sealed partial class ScriptedClouds
{
    private int _folderLooks;

    public Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel) => Task.CompletedTask;

    public Task<AccessAnswer> AllowAsync(ShareAccess access, string subnet, CancellationToken cancel) =>
        ChangeAsync<AccessAnswer>("allow", access.Workspace, (s, now) =>
    {
        if (access.Folder is FolderRef.Scratch scratch && !s.Scratch.Contains(scratch)) throw Fault(CloudFault.Missing, "there is no folder to mount");
        var rule = s.Rules.GetValueOrDefault(access) switch
        {
            { State: RuleState.Denying } => throw Fault(CloudFault.Conflict, "the rule is being denied"),
            { State: RuleState.Allowing, Looks: > 1 and var looks } => new Rule(RuleState.Allowing, looks - 1),
            { State: RuleState.Error } error => error,
            { } => new Rule(RuleState.Active),
            null when now is Mood.AllowsSlowly => new Rule(RuleState.Allowing, SlowLooks),
            null when now is Mood.RuleInError => new Rule(RuleState.Error),
            null => new Rule(RuleState.Active),
        };
        s.Rules = s.Rules.SetItem(access, rule);
        if (rule.State is RuleState.Allowing) return new AccessAnswer.Asked("The storage is granting access.");
        if (rule.State is RuleState.Error) return new AccessAnswer.Failed("The storage could not grant access.", "Try again.");
        s.Mounts = s.Mounts.Add(access);
        var node = (access.Folder as FolderRef.Scratch)?.Node;
        return new AccessAnswer.Active(new MountSource.HostPath($"/mounts/{access.Workspace:n}-{access.Generation}-{node}"));
    }, cancel);

    public Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel) => AnswerAsync<IReadOnlyList<ShareAccess>>(() =>
    {
        foreach (var site in _sites.Values) Deny(site);
        return [.. _sites.Values.SelectMany(s => s.Access)];
    }, StorageIsUnavailable);

    public Task<IReadOnlyList<ShareAccess>> AccessAsync(Guid workspace, CancellationToken cancel) => AnswerAsync<IReadOnlyList<ShareAccess>>(() =>
    {
        if (!_sites.TryGetValue(workspace, out var s)) return [];
        Deny(s);
        return [.. s.Access];
    }, StorageIsUnavailable);

    /// <summary>Denying goes on with every look.</summary>
    private static void Deny(Site s)
    {
        foreach (var (access, rule) in s.Rules.Where(r => r.Value.State is RuleState.Denying))
            s.Rules = rule.Looks > 1 ? s.Rules.SetItem(access, rule with { Looks = rule.Looks - 1 }) : s.Rules.Remove(access);
    }

    /// <summary>Generations of a workspace that are trusted or mounted.</summary>
    public int[] TrustedOf(Guid workspace)
    {
        lock (_gate) return _sites.TryGetValue(workspace, out var s)
            ? [.. s.Access.Where(a => a.Folder is FolderRef.Work).Select(a => a.Generation).Distinct().Order()]
            : [];
    }

    public Task UnmountAsync(ShareAccess access, CancellationToken cancel) => ChangeAsync("unmount", access.Workspace, s =>
    {
        if (s.Mounts.Contains(access) && s.Uses(access)) Break($"mount of {access} taken while a node uses it");
        s.Mounts = s.Mounts.Remove(access);
    }, cancel);

    public Task<AccessAnswer> DenyAsync(ShareAccess access, CancellationToken cancel) => ChangeAsync<AccessAnswer>("deny", access.Workspace, (s, now) =>
    {
        if (s.Mounts.Contains(access)) throw Fault(CloudFault.Conflict, "still mounted");
        if (!s.Rules.TryGetValue(access, out var rule)) return new AccessAnswer.Gone();
        if (s.Uses(access)) Break($"rule of {access} taken while a node is there");
        if (rule.State is RuleState.Denying || now is Mood.DeniesSlowly)
        {
            if (rule.State is not RuleState.Denying) s.Rules = s.Rules.SetItem(access, new Rule(RuleState.Denying, SlowLooks));
            return new AccessAnswer.Asked("The storage is revoking access.");
        }
        s.Rules = s.Rules.Remove(access);
        return new AccessAnswer.Gone();
    }, cancel);

    public async Task<EnsureAnswer> EnsureAsync(FolderRef folder, int uid, long limitBytes, CancellationToken cancel)
    {
        if (folder is FolderRef.Scratch scratch)
            await ChangeAsync("ensure scratch", scratch.Workspace, s => s.Scratch = s.Scratch.Add(scratch), cancel);
        else if (IsUnavailable || StorageIsUnavailable) throw Fault(CloudFault.Unavailable, "away");
        else return mood("ensure folder", Guid.Empty) switch
        {
            Mood.FolderInError => new EnsureAnswer.Broken("The storage could not make the folder.", "Try again."),
            Mood.MakesFoldersSlowly when Interlocked.Increment(ref _folderLooks) < SlowLooks =>
                new EnsureAnswer.Working("The storage is creating the folder.", LookAgainIn),
            _ => EnsureAnswer.IsDone,
        };
        return EnsureAnswer.IsDone;
    }

    public Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(CancellationToken cancel) =>
        AnswerAsync<IReadOnlyList<FolderRef.Scratch>>(() => [.. _sites.Values.SelectMany(s => s.Scratch)], StorageIsUnavailable);

    public Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(Guid workspace, CancellationToken cancel) =>
        AnswerAsync<IReadOnlyList<FolderRef.Scratch>>(() => _sites.TryGetValue(workspace, out var s) ? [.. s.Scratch] : [], StorageIsUnavailable);

    public Task RemoveScratchAsync(FolderRef.Scratch folder, CancellationToken cancel) => ChangeAsync("remove scratch", folder.Workspace, s =>
    {
        if (!s.Scratch.Contains(folder)) return;
        if (s.Nodes.Any(n => n.Name == folder.Node)) Break($"scratch of {folder} removed while its node is there");
        if (s.Mounts.Any(m => m.Folder == folder)) throw Fault(CloudFault.Conflict, "device or resource busy");
        s.Scratch = s.Scratch.Remove(folder);
    }, cancel);

    public Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel) => AnswerAsync(() => Folders, StorageIsUnavailable);
}
