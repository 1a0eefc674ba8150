using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Watch;

/// <summary>Follows the cloud's events, so that a node that dies is on the page within moments, and reads all nodes every few seconds.</summary>
public sealed class NodeWatch(IClusterCloud clusters, NodeRows rows, Readings readings, SampleRows samples, IDbContextFactory<PortalDb> databases, TimeProvider clock, ILogger<NodeWatch> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(4), AfterFault = TimeSpan.FromSeconds(3);
    private const int LastLines = 15;
    private readonly RawSpans _spans = new();

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(AgainAsync(FollowAsync, stoppingToken), AgainAsync(MeasureAsync, stoppingToken));

    private async Task AgainAsync(Func<CancellationToken, Task> work, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try { await work(stopping); }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested) { return; }
            catch (Exception e) { log.LogWarning("Watching nodes stopped, again in {Wait}: {Error}", AfterFault, e.Message); }
            await Task.Delay(AfterFault, clock, stopping).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private async Task FollowAsync(CancellationToken cancel)
    {
        await foreach (var happened in clusters.EventsAsync(cancel))
        {
            switch (happened)
            {
                case { What: ClusterHappening.LookAgain }: await SeeAllAsync(cancel); break;
                case { What: ClusterHappening.Away }: break;
                case { Workspace: { } id }:
                    await rows.SeeAsync(id, await clusters.LookAsync(id, cancel), cancel);
                    if (happened is { What: ClusterHappening.Died, Node: { } node }) await TellAsync(id, node, happened.ExitCode, cancel);
                    break;
            }
        }
    }

    private async Task SeeAllAsync(CancellationToken cancel)
    {
        var seen = (await clusters.LookAsync(cancel)).ToDictionary(c => c.Workspace);
        await using var db = await databases.CreateDbContextAsync(cancel);
        var known = await db.Nodes.Select(n => n.WorkspaceId).Distinct().ToListAsync(cancel);
        var workspaces = await db.Workspaces.Where(w => seen.Keys.Contains(w.Id)).Select(w => w.Id).ToListAsync(cancel);
        foreach (var id in known.Union(workspaces)) await rows.SeeAsync(id, seen.GetValueOrDefault(id), cancel);
    }

    /// <summary>A node that ended although nobody stopped it: its last words go into the log that the owner sees.</summary>
    private async Task TellAsync(Guid id, string node, int? exitCode, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var releasing = await db.Runs.AnyAsync(r => r.WorkspaceId == id && r.Number == db.Runs.Where(o => o.WorkspaceId == id).Max(o => o.Number)
            && (r.Kind == Core.Runs.RunKind.Stop || r.Kind == Core.Runs.RunKind.Delete || r.Releasing), cancel);
        if (releasing || !await db.Workspaces.AnyAsync(w => w.Id == id, cancel)) return;
        db.LogLines.Add(new() { WorkspaceId = id, Level = LogLevelOfLine.Fail, Text = $"The node {node} ended by itself (exit code {exitCode?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unknown"})." });
        foreach (var line in await clusters.LogTailAsync(id, node, LastLines, cancel)) db.LogLines.Add(new() { WorkspaceId = id, Level = LogLevelOfLine.Warn, Text = $"{node}: {(line.Length > 500 ? line[..500] : line)}" });
        await db.SaveChangesAsync(cancel);
    }

    private async Task MeasureAsync(CancellationToken cancel)
    {
        using var tick = new PeriodicTimer(Every, clock);
        do
        {
            var now = readings.Take(await clusters.SamplesAsync(cancel));
            await rows.MeasureAsync(now, cancel);
            await samples.WriteAsync(_spans.Add(now, clock.GetUtcNow()), cancel);
        }
        while (await tick.WaitForNextTickAsync(cancel));
    }
}
