using System.Collections.Immutable;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Reads views of workspaces with a bounded number of statements, however many workspaces there are.</summary>
internal static class WorkspaceReader
{
    private const int LogLines = 200;

    public static async Task<ImmutableArray<WorkspaceView>> ReadAsync(PortalDb db, StepHistories history, IQueryable<Workspace> which, bool withLog,
        CancellationToken cancel)
    {
        var rows = await (from w in which
                          join c in db.Classes on w.ClassId equals c.Id
                          join p in db.Persons on w.PersonId equals p.Id
                          join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                          join f in db.WorkFolders on w.WorkFolderId equals f.Id
                          orderby w.CreatedAt descending, w.Id descending
                          select new { w, c.Title, c.LongestHours, c.IdleMinutes, p.Name, t.TemplateId, t.Spec, f.UsedBytes, f.SeenAt, f.LimitGib })
            .AsNoTracking()
            .ToListAsync(cancel);
        if (rows.Count == 0) return [];
        var ids = rows.ConvertAll(r => r.w.Id);
        var runs = await db.Runs.AsNoTracking().Where(r => ids.Contains(r.WorkspaceId))
            .Where(r => r.Number == db.Set<Run>().Where(o => o.WorkspaceId == r.WorkspaceId).Max(o => o.Number)).ToDictionaryAsync(r => r.WorkspaceId, cancel);
        var resized = runs.Values.Where(r => r.Kind is RunKind.Resize && r.Phase.IsFinished()).Select(r => r.WorkspaceId).ToList();
        var lifecycle = resized.Count == 0 ? new Dictionary<Guid, Run>() : await db.LifecycleRunsAsync(resized, cancel);
        var runIds = runs.Values.Select(r => r.Id).ToList();
        var steps = (await db.RunSteps.AsNoTracking().Where(s => runIds.Contains(s.RunId)).ToListAsync(cancel))
            .Where(s => s.Key != StepKey.Unknown)
            .ToLookup(s => s.RunId);
        var nodes = (await db.Nodes.AsNoTracking().Where(n => ids.Contains(n.WorkspaceId)).OrderBy(n => n.Name).ToListAsync(cancel))
            .ToLookup(n => n.WorkspaceId);
        var log = withLog ? await LogAsync(db, ids, cancel) : null;
        var offered = await OfferedAsync(db, [.. rows.Select(r => r.TemplateId).Distinct(StringComparer.Ordinal)], cancel);
        var restarts = await LastRestartsAsync(db,
            [.. nodes.SelectMany(n => n).Where(n => !n.Running || n.Restarts > 0).Select(n => n.WorkspaceId).Distinct()], cancel);
        var usual = await history.ReadAsync(db, cancel);
        var places = new Dictionary<Guid, Placement>();
        foreach (var tenant in rows.Select(r => r.w.TenantId).Distinct()) places[tenant] = await db.PlacementAsync(tenant, cancel);
        var queues = new Dictionary<string, LaunchQueue>(StringComparer.Ordinal);
        foreach (var place in rows.Where(r => runs[r.w.Id] is { Phase: RunPhase.Queued } run && RunKinds.Queued.Contains(run.Kind))
            .Select(r => places[r.w.TenantId]).DistinctBy(p => p.Pool.Key, StringComparer.Ordinal))
            queues[place.Pool.Key] = await LaunchQueue.ReadAsync(db, place, usual, cancel);
        return [.. rows.Select(r =>
        {
            var (run, place) = (runs[r.w.Id], places[r.w.TenantId]);
            var decides = lifecycle.GetValueOrDefault(r.w.Id, run);
            var mine = nodes[r.w.Id].Where(n => n.Generation == r.w.Generation).ToList();
            return new WorkspaceView
            {
                Id = r.w.Id, Slug = r.w.Slug, Name = r.w.Name, TenantId = r.w.TenantId, ClassId = r.w.ClassId, ClassTitle = r.Title,
                OwnerId = r.w.PersonId, OwnerName = r.Name,
                Template = r.Spec, Size = r.Spec.Size(r.w.SizeId) ?? r.Spec.Sizes[0], Workers = r.w.Workers, Parameters = r.w.Parameters,
                Newer = offered[r.TemplateId].FirstOrDefault(t => t.Id != r.w.TemplateVersionId).Spec,
                Generation = r.w.Generation, WithoutSettings = r.w.WithoutSettings,
                Status = Status(r.w, decides, NodesHealthy.Of(r.Spec, r.w.SizeId, r.w.Workers, mine)),
                Since = run.EndedAt ?? run.AdmittedAt ?? run.CreatedAt, CreatedAt = r.w.CreatedAt,
                EndAt = r.w.EndAt, RunFor = r.w.RunFor, LongestHours = r.LongestHours, RequestedRun = r.w.RequestedRun,
                Idle = IdleOf(r.w, decides, r.IdleMinutes),
                Run = View(run, decides, r.Spec, r.w.Workers, steps[run.Id].ToDictionary(s => s.Key), usual),
                Log = log is null ? [] : [.. log[r.w.Id].Reverse().Select(l => new LogLineView(l.Id, l.At, l.Severity, l.Text))],
                Nodes = [.. mine.Select(View)],
                AutomaticRestarts = RestartStateOf(r.Spec, r.w, mine, restarts.GetValueOrDefault(r.w.Id)),
                Folder = new(r.UsedBytes, (long)r.LimitGib << 30, place.Pool is { StorageIsKnown: false } or { BlocksEnforced: true })
                { Seen = r.SeenAt is not null },
                Queue = run.Phase == RunPhase.Queued ? queues.GetValueOrDefault(place.Pool.Key)?.Of(run.Id) : null,
            };
        })];
    }

    private static async Task<ILookup<Guid, LogLine>> LogAsync(PortalDb db, List<Guid> workspaces, CancellationToken cancel) =>
        (await db.LogLines.AsNoTracking()
            .Where(l => workspaces.Contains(l.WorkspaceId))
            .OrderByDescending(l => l.Id)
            .Take(LogLines)
            .ToListAsync(cancel)).ToLookup(l => l.WorkspaceId);

    /// <summary>The versions that these templates are launched in now.</summary>
    private static async Task<ILookup<string, (Guid Id, TemplateSpec? Spec)>> OfferedAsync(PortalDb db, List<string> templates, CancellationToken cancel) =>
        (await db.TemplateVersions.AsNoTracking()
            .Where(t => !t.Retired && templates.Contains(t.TemplateId))
            .Select(t => new { t.Id, t.TemplateId, t.Spec })
            .ToListAsync(cancel)).ToLookup(t => t.TemplateId, t => (t.Id, (TemplateSpec?)t.Spec), StringComparer.Ordinal);

    private static NodeView View(NodeRow n) =>
        new(n.Name, n.Role, n.Running, n.ExitCode, n.OutOfMemoryKills, [.. n.CpuHistory], n.Throttled, n.MemoryBytes, n.MemoryLimitBytes, n.Pids,
            n.SeenAt)
        { Restarts = n.Restarts, ScratchBytes = n.ScratchBytes };

    private static IdleView IdleOf(Workspace w, Run run, int? minutes)
    {
        var ready = run is { Kind: not (RunKind.Stop or RunKind.Delete), Phase: RunPhase.Succeeded, EndedAt: { } ended } ? ended : (DateTimeOffset?)null;
        var activity = w.ActiveAt is { } at && at >= ready ? new Activity(at, w.ActiveBy) : null;
        // Before the first check there is no evidence, so no stop is announced.
        return new(minutes, activity?.At, activity?.By,
            ready is { } since && activity is not null ? IdlePolicy.StopAt(minutes, since, activity, w.KeepUntil) : null, w.KeepUntil);
    }

    /// <summary>The last automatic restart, or decision against one.</summary>
    private static async Task<Dictionary<Guid, string>> LastRestartsAsync(PortalDb db, Guid[] ids, CancellationToken cancel) => ids.Length == 0 ? [] :
        await db.Audit.AsNoTracking().Where(a => ids.Contains(a.WorkspaceId!.Value) && a.Verb == AutomaticRestarts.Verb)
            .GroupBy(a => a.WorkspaceId!.Value)
            .Select(g => g.OrderByDescending(a => a.Id).First())
            .ToDictionaryAsync(a => a.WorkspaceId!.Value, a => a.Outcome, cancel);

    /// <summary>Whether everything but a worker is running.</summary>
    private static RestartState RestartStateOf(TemplateSpec spec, Workspace w, List<NodeRow> seen, string? last)
    {
        var ended = spec.Nodes(w.SizeId, w.Workers).Where(n => !seen.Exists(s => s.Name == n.Name && s.Running)).ToList();
        return ended.Count == 0 || ended.Exists(n => n.Role.Workers is null)
            ? RestartState.None
            : last == AutomaticRestarts.GivenUp
            ? RestartState.GivenUp
            : RestartState.Again;
    }

    private static WorkspaceStatus Status(Workspace workspace, Run decides, bool nodesHealthy) => workspace.DeletedAt is not null
        ? WorkspaceStatus.Deleted
        : StatusOf.Run(decides.Kind, decides.Phase, decides.Releasing, nodesHealthy && !decides.HasLost);

    /// <param name="decides">The run that decides over the workspace's status: an ended Resize does not say what the workspace has lost.</param>
    private static RunView View(Run run, Run decides, TemplateSpec spec, int workers, Dictionary<StepKey, RunStep> done, StepHistory usual)
    {
        IEnumerable<StepKey> keys = PlanSteps.Of(run.Kind, releasing: false);
        if (run.Releasing) keys = keys.TakeWhile(k => done.ContainsKey(k)).Concat(PlanSteps.Of(run.Kind, releasing: true)).Distinct();
        // A step that ended the moment it began had nothing to do.
        bool Passed(StepKey key) => done.TryGetValue(key, out var s) && s.EndedAt == s.BeganAt;
        bool HasWork(StepKey key) =>
            PlanSteps.HasWork(key, spec)
                && !Passed(key)
                && (run.Kind is not RunKind.Resize || done.ContainsKey(key) || run.Releasing || PlanSteps.HasWork(key, workers, run.Workers ?? workers));
        var steps = keys.Where(HasWork).Select(k =>
            new StepView(k, done.GetValueOrDefault(k)?.BeganAt, done.GetValueOrDefault(k)?.EndedAt, usual.Of(spec.Id, run.Kind, k), run.FailedStep == k));
        return new(run.Id, run.Number, run.Kind, run.Phase, run.Releasing, [.. steps], run.Message,
            run.Cause ?? decides.Cause, run.Remedy ?? decides.Remedy, run.FailedStep, run.CreatedAt, run.EndedAt)
        { Workers = run.Workers };
    }
}
