using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>The newest run that decides whether a workspace is up; a Resize never does, whatever its outcome.</summary>
public static class LifecycleRuns
{
    public static Task<Run?> LifecycleRunAsync(this PortalDb db, Guid workspace, CancellationToken cancel) =>
        db.Runs.AsNoTracking().Where(r => r.WorkspaceId == workspace && r.Kind != RunKind.Resize).OrderByDescending(r => r.Number).FirstOrDefaultAsync(cancel);

    /// <summary>The same for several workspaces.</summary>
    public static async Task<IReadOnlyDictionary<Guid, Run>> LifecycleRunsAsync(this PortalDb db, IReadOnlyCollection<Guid> workspaces,
        CancellationToken cancel) =>
        await db.Runs.AsNoTracking().Where(r => workspaces.Contains(r.WorkspaceId) && r.Kind != RunKind.Resize)
            .Where(r => r.Number == db.Set<Run>().Where(o => o.WorkspaceId == r.WorkspaceId && o.Kind != RunKind.Resize).Max(o => o.Number))
            .ToDictionaryAsync(r => r.WorkspaceId, cancel);

    /// <summary>Something was brought up for it and has not been released since.</summary>
    public static bool IsUp(this Run run) => run is { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Succeeded };
}
