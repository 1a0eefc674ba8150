using Portal.Core.Data;

namespace Portal.Core.Runs;

public static class StartingRunsOfDb
{
    /// <summary>
    /// What holds one of the places for what starts at once: admitted, and bringing something up. Also while it waits to try again, so that
    /// an engine that comes back is not met by all at once; no longer when it only releases what a failure left.
    /// </summary>
    public static IQueryable<Run> StartingRuns(this PortalDb db) => db.Runs.Where(r =>
        !r.Releasing && (r.Phase == RunPhase.Waiting || r.Phase == RunPhase.Handed || r.Phase == RunPhase.Active)
        && (r.Kind == RunKind.Launch || r.Kind == RunKind.Start || (r.Kind == RunKind.Resize && r.Workers > db.Workspaces.First(w => w.Id == r.WorkspaceId).Workers)));
}
