using System.Collections.Concurrent;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Steps;

/// <summary>
/// Access to folders while a cloud makes what mounts them. The storage is asked when that begins and every ten seconds, and not at every look at the
/// cloud: asking takes several calls for each folder, and many launches may be waiting.
/// </summary>
public sealed class GrantedAccess(ClusterPlans plans, TimeProvider clock)
{
    private const int MostWorkspaces = 2000;

    /// <summary>How long it is believed.</summary>
    public static readonly TimeSpan Believed = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<(Guid Workspace, int Generation, string Subnet), (long At, FolderAccess Access)> _seen = new();

    /// <summary>As <see cref="ClusterPlans.AllowAsync"/>.</summary>
    /// <param name="now">The workspace with its addresses.</param>
    public async Task<FolderAccess> AllowAsync(RunFacts facts, Workspace now, CancellationToken cancel)
    {
        if (_seen.TryGetValue(KeyOf(now), out var seen) && clock.GetElapsedTime(seen.At) <= Believed) return seen.Access;
        var at = clock.GetTimestamp();
        var access = await plans.AllowAsync(facts, now, cancel);
        if (_seen.Count > MostWorkspaces) _seen.Clear();
        if (access.Missing is null) _seen[KeyOf(now)] = (at, access);
        return access;
    }

    /// <summary>Nothing is being made with it any more: who needs it asks the storage.</summary>
    public void Forget(Workspace now) => _seen.TryRemove(KeyOf(now), out _);

    private static (Guid, int, string) KeyOf(Workspace now) => (now.Id, now.Generation, now.Subnet!);
}
