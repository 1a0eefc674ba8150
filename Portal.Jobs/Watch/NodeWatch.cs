using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Foreign;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Watch;

/// <summary>Watches every pool on its own, so that none waits for another.</summary>
public sealed class NodeWatch(CloudKits kits, NodeRows rows, Readings readings, SampleRows samples, IDbContextFactory<PortalDb> databases,
    TimeProvider clock, ILogger<NodeWatch> log) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        kits.EachAsync(kit => new PoolWatch(kit, rows, readings, samples, databases, clock, log).RunAsync(stoppingToken));
}

/// <summary>Follows a pool's events, so that a dead node is on the page within moments, and reads all its nodes every few seconds.</summary>
internal sealed class PoolWatch(CloudKit kit, NodeRows rows, Readings readings, SampleRows samples, IDbContextFactory<PortalDb> databases,
    TimeProvider clock, ILogger<NodeWatch> log)
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(4), AfterFault = TimeSpan.FromSeconds(3), LogWithin = TimeSpan.FromSeconds(5);
    private const int LastLines = 15, LongestLine = 500;
    private readonly RawSpans _spans = new();

    private readonly IClusterCloud _clusters = kit.Clusters;

    public Task RunAsync(CancellationToken stopping) => Task.WhenAll(AgainAsync(FollowAsync, stopping), AgainAsync(MeasureAsync, stopping));

    private async Task AgainAsync(Func<CancellationToken, Task> work, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try { await work(stopping); }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested) { return; }
            catch (Exception e) { log.LogWarning("Watching the nodes of {Pool} failed, retrying in {Wait}: {Error}", kit.Key, AfterFault, e.Message); }
            await Task.Delay(AfterFault, clock, stopping)
                .ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private async Task FollowAsync(CancellationToken cancel)
    {
        await foreach (var happened in _clusters.EventsAsync(cancel))
        {
            switch (happened)
            {
                case { What: ClusterHappening.LookAgain }: await SeeAllAsync(cancel); break;
                case { What: ClusterHappening.Unavailable }: break;
                case { Workspace: { } id }:
                    await rows.SeeAsync(id, happened.Seen ?? After(happened, await _clusters.LookAsync(id, cancel)), cancel);
                    if (happened is { What: ClusterHappening.Died, Node: not null }) _ = TellBesideAsync(id, happened, cancel);
                    break;
            }
        }
    }

    /// <summary>A container engine reports a death before its own list shows it: the node is not running, whatever the list says.</summary>
    private static ClusterStatus? After(ClusterEvent happened, ClusterStatus? now) => happened.What is not ClusterHappening.Died || now is null ? now : now with
    {
        Nodes = [.. now.Nodes.Select(n =>
            n.State is NodeState.Running && n.Name == happened.Node && n.Generation == happened.Generation
                ? n with { State = NodeState.Exited, ExitCode = happened.ExitCode, Address = null }
                : n)],
    };

    private async Task SeeAllAsync(CancellationToken cancel)
    {
        var seen = (await _clusters.LookAsync(cancel)).ToDictionary(c => c.Workspace);
        await using var db = await databases.CreateDbContextAsync(cancel);
        var known = await (from n in db.Nodes
                           join w in db.Workspaces on n.WorkspaceId equals w.Id
                           join t in db.Tenants on w.TenantId equals t.Id
                           where t.PoolKey == kit.Key
                           select n.WorkspaceId).Distinct().ToListAsync(cancel);
        var workspaces = await db.Workspaces.Where(w => seen.Keys.Contains(w.Id)).Select(w => w.Id).ToListAsync(cancel);
        foreach (var id in known.Union(workspaces)) await rows.SeeAsync(id, seen.GetValueOrDefault(id), cancel);
    }

    /// <summary>Outside the loop, so that a node whose log does not arrive does not delay another node's row.</summary>
    private async Task TellBesideAsync(Guid id, ClusterEvent died, CancellationToken cancel)
    {
        try { await TellAsync(id, died, cancel); }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested) { }
        catch (Exception e) { log.LogWarning("The exit of node {Node} of workspace {Workspace} could not be recorded: {Error}", died.Node, id, e.Message); }
    }

    /// <summary>The last lines, or none if they do not arrive in time.</summary>
    private async Task<IReadOnlyList<string>> LastLinesAsync(Guid id, string node, CancellationToken cancel)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        late.CancelAfter(LogWithin);
        try { return await _clusters.LogTailAsync(id, node, LastLines, late.Token); }
        catch (Exception e) when (e is CloudException or OperationCanceledException && !cancel.IsCancellationRequested) { return []; }
    }

    /// <summary>A node exited without being stopped: its last lines go into the log that the owner sees.</summary>
    private async Task TellAsync(Guid id, ClusterEvent died, CancellationToken cancel)
    {
        var node = died.Node!;
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (await IsWantedAsync(db, id, died, cancel)) return;
        db.LogLines.Add(new()
        {
            WorkspaceId = id,
            Severity = LogLineSeverity.Fail,
            Text = died.Reason is { } reason
                ? $"The node {node} stopped unexpectedly: {ForeignText.Clean(reason, LongestLine)}"
                : $"The node {node} stopped unexpectedly "
                    + $"(exit code {died.ExitCode?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unknown"})."
        });
        foreach (var line in await LastLinesAsync(id, node, cancel))
            db.LogLines.Add(new() { WorkspaceId = id, Severity = LogLineSeverity.Warn, Text = $"{node}: {ForeignText.Clean(line, LongestLine)}" });
        await db.SaveChangesAsync(cancel);
    }

    /// <summary>It was meant to exit: its workspace is being released or started again, or it is a surplus worker.</summary>
    private static async Task<bool> IsWantedAsync(PortalDb db, Guid id, ClusterEvent died, CancellationToken cancel)
    {
        var row = await db.Workspaces
            .AsNoTracking()
            .Where(w => w.Id == id)
            .Join(db.TemplateVersions, w => w.TemplateVersionId, t => t.Id, (w, t) => new { w, t.Spec })
            .SingleOrDefaultAsync(cancel);
        var run = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstOrDefaultAsync(cancel);
        if (row is null || run is null || died.Generation < row.w.Generation) return true;
        if (run.Kind is not RunKind.Resize) return run.Kind is RunKind.Stop or RunKind.Delete || run.Releasing;
        var workers = Math.Min(row.w.Workers, run.Phase.IsFinished() ? int.MaxValue : run.Workers ?? int.MaxValue);
        return row.Spec.Nodes(row.w.SizeId, workers).All(n => n.Name != died.Node);
    }

    private async Task MeasureAsync(CancellationToken cancel)
    {
        using var tick = new PeriodicTimer(Every, clock);
        do
        {
            var now = readings.Take(kit.Key, await _clusters.SamplesAsync(cancel));
            await rows.MeasureAsync(now, cancel);
            await samples.WriteAsync(_spans.Add(now, clock.GetUtcNow()), cancel);
        }
        while (await tick.WaitForNextTickAsync(cancel));
    }
}
