using Docker.DotNet.Models;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

/// <summary>Launches, resizes and counts clusters of one template on a running installation.</summary>
/// <param name="singles">Its nodes other than the workers, with scratch folders.</param>
/// <param name="count">A program of the notebook that prints how many workers the compute engine knows.</param>
/// <param name="cores">One that prints how many cores the compute engine counts on them in total.</param>
internal sealed class ClusterDriver(Installation it, string template, string[] singles, string count, string cores)
{
    private static readonly TimeSpan Settles = TimeSpan.FromMinutes(2), Builds = TimeSpan.FromMinutes(15), Computes = TimeSpan.FromMinutes(5);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Kills Jobs and the web process after steps of resizes up and down; each time the result must be what was ordered.</summary>
    /// <param name="most">How many of them, from the first.</param>
    public async Task KillResizesAsync(int most = int.MaxValue)
    {
        var (owner, id) = await ReadyAsync(workers: 1);
        foreach (var (workers, after, victim) in (((int, StepKey, Child)[])
            [(3, StepKey.CheckResize, it.Jobs), (1, StepKey.DrainWorkers, it.Jobs), (3, StepKey.EnsureAccess, it.Jobs),
                (2, StepKey.DropWorkers, it.Jobs), (3, StepKey.EnsureCluster, it.Jobs), (1, StepKey.UnmountWorkers, it.Web)]).Take(most))
        {
            (await it.Site.Get<ResizeWorkspace>().RunAsync(new(owner), id, workers, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>($"to {workers}");
            await SavedAsync(id, after);
            victim.Kill();
            victim.Start();
            await EndedAsync(id);
            await IsAsync(id, workers);
        }
        await DeleteAsync(owner, id);
    }

    /// <summary>
    /// Two workers of one core each, whatever the host has, compute; one is killed. The result is right,
    /// the worker is restarted and counted, and all the while the compute engine's
    /// count is the evidence of activity, because no kernel computes here.
    /// </summary>
    /// <param name="program">Of the notebook: uses both workers for at least half a minute and prints its answer last.</param>
    /// <param name="busy">A program of the notebook that prints 1 once worker0 works for it.</param>
    /// <param name="evidence">The template's count that shows it.</param>
    public async Task LoseWorkerAsync(string program, string busy, string evidence, string answer)
    {
        var (owner, id) = await ReadyAsync(workers: 2);
        (await CountAsync(id, cores)).ShouldBe(2, "cores that the engine counts");
        await BeginAsync(id, program);
        await Until.TrueAsync($"{evidence} speak for it", async () =>
        {
            await using var db = it.Database.Open();
            return (await db.Workspaces.AsNoTracking().SingleAsync(w => w.Id == id, Cancel)).ActiveBy == evidence;
        }, Cancel, Settles);
        await Until.TrueAsync("worker0 computes", async () => await CountAsync(id, busy) == 1, Cancel, Settles);

        await it.Lab.ContainerEngine.CallAsync(c =>
            c.Containers.KillContainerAsync(it.Lab.Owned.Container(id, 1, "worker0"), new ContainerKillParameters { Signal = "KILL" }, Cancel), Cancel);

        await PrintsAsync(id, answer);
        await Until.TrueAsync("the lost worker is back, exactly once", async () =>
        {
            await using var db = it.Database.Open();
            var node = await db.Nodes.AsNoTracking().SingleOrDefaultAsync(n => n.WorkspaceId == id && n.Name == "worker0", Cancel);
            return node is { Running: true, Restarts: 1 } && await CountAsync(id, count) == 2;
        }, Cancel, Settles);
        await using (var db = it.Database.Open())
            (await db.LogLines.AsNoTracking().Where(l => l.WorkspaceId == id).Select(l => l.Text).ToListAsync(Cancel))
                .ShouldContain(t => t.StartsWith("The worker worker0 stopped unexpectedly", StringComparison.Ordinal));
        await IsAsync(id, 2);
        await DeleteAsync(owner, id);
    }

    /// <summary>A worker that holds data is drained: afterwards its data is on the other one.</summary>
    /// <param name="make">Program of the notebook that puts data on both workers and prints "made"; it may run until a file /tmp/left exists.</param>
    /// <param name="holds">A program of the notebook that prints 1 when worker1, which leaves, holds some of it.</param>
    /// <param name="ask">A program that prints the answer last; null if <paramref name="make"/> prints it.</param>
    /// <param name="files">A pattern for file names that worker1 has then: all of them are in its scratch folder.</param>
    public async Task DrainAsync(string make, string holds, string? ask, string answer, string? files = null)
    {
        var (owner, id) = await ReadyAsync(workers: 2);
        await BeginAsync(id, make);
        await PrintsAsync(id, "made");
        await Until.TrueAsync("worker1 holds some of it", async () => await CountAsync(id, holds) == 1, Cancel, Settles);
        if (files is not null)
        {
            var found = await it.Lab.Clusters.ExecuteAsync(id, "worker1",
                ["sh", "-c", "find / -path /proc -prune -o -path /sys -prune -o -type f -name \"$0\" -print 2> /dev/null; true", files], Cancel);
            var paths = found.Output.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            paths.ShouldNotBeEmpty(files);
            paths.ShouldAllBe(p => p.StartsWith("/scratch/", StringComparison.Ordinal));
        }
        (await it.Site.Get<ResizeWorkspace>().RunAsync(new(owner), id, 1, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await EndedAsync(id);
        await IsAsync(id, 1);

        if (ask is null) await it.Lab.Clusters.ExecuteAsync(id, "notebook", ["touch", "/tmp/left"], Cancel);
        else await BeginAsync(id, ask);
        await PrintsAsync(id, answer);
        await DeleteAsync(owner, id);
    }

    /// <summary>A stop in the middle of work, and a start: what the compute engine kept of that work gets done.</summary>
    /// <param name="make">Program of the notebook that begins the work.</param>
    /// <param name="busy">One that prints 1 once the work is in progress.</param>
    /// <param name="ask">One that waits for the work to end and prints the answer.</param>
    public async Task StopAtWorkAsync(string make, string busy, string ask, string answer)
    {
        var (owner, id) = await ReadyAsync(workers: 2);
        await BeginAsync(id, make);
        await Until.TrueAsync("the work continues", async () => await CountAsync(id, busy) == 1, Cancel, Settles);

        (await it.Site.Get<StopWorkspace>().RunAsync(new(owner), id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await EndedAsync(id);
        (await it.Site.Get<StartWorkspace>().RunAsync(new(owner), id, wanted: null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await EndedAsync(id);

        await IsAsync(id, 2);
        await BeginAsync(id, ask);
        await PrintsAsync(id, answer);
        await DeleteAsync(owner, id);
    }

    /// <summary>Changes the number of workers and checks that everything is there.</summary>
    public async Task ResizeAsync(Guid owner, Guid id, int workers)
    {
        (await it.Site.Get<ResizeWorkspace>().RunAsync(new(owner), id, workers, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await EndedAsync(id);
        await IsAsync(id, workers);
    }

    /// <summary>Starts a program of the notebook, which keeps running in the background.</summary>
    public async Task BeginAsync(Guid id, string program) =>
        (await it.Lab.Clusters.ExecuteAsync(id, "notebook",
            ["sh", "-c", "rm -f /tmp/said; nohup python3 -c \"$0\" > /tmp/said 2>&1 < /dev/null &", program], Cancel)).ExitCode.ShouldBe(0);

    /// <summary>Waits until it has printed this line.</summary>
    public async Task PrintsAsync(Guid id, string answer)
    {
        var output = "";
        try
        {
            await Until.TrueAsync($"the program says {answer}", async () =>
            {
                output = (await it.Lab.Clusters.ExecuteAsync(id, "notebook", ["cat", "/tmp/said"], Cancel)).Output;
                return output.Split('\n', StringSplitOptions.TrimEntries).Contains(answer, StringComparer.Ordinal);
            }, Cancel, Computes);
        }
        catch (TimeoutException e) { throw new TimeoutException($"{e.Message} It said: {output}", e); }
    }

    public async Task<(Guid Owner, Guid Id)> ReadyAsync(int workers)
    {
        await Until.TrueAsync($"{template} is offered, and its image built", async () =>
        {
            await using var db = it.Database.Open();
            var offered = await db.TemplateVersions.AsNoTracking().Where(t => t.TemplateId == template && !t.Retired).ToListAsync(Cancel);
            if (offered.Count == 0) return false;
            var images = offered[0].Spec.Roles.Select(r => r.Image).Distinct().ToList();
            return await db.Images.CountAsync(i => images.Contains(i.Name) && i.State == ImageState.Ready, Cancel) == images.Count;
        }, Cancel, Builds);
        var owner = it.Site.Students[0];
        var order = it.Site.Order(owner) with { TemplateId = template, Workers = workers };
        var outcome = await it.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel);
        outcome.ShouldBeOfType<LaunchOutcome.Accepted>(outcome.ToString());
        await EndedAsync(order.Id);
        await IsAsync(order.Id, workers);
        return (owner, order.Id);
    }

    /// <summary>Waits until the newest run has finished this step.</summary>
    private Task<TimeSpan> SavedAsync(Guid id, StepKey step) => Until.TrueAsync($"{step} is saved", async () =>
    {
        await using var db = it.Database.Open();
        var run = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
        run.Phase.ShouldNotBe(RunPhase.Failed, run.Cause);
        return await db.RunSteps.AnyAsync(s => s.RunId == run.Id && s.Key == step && s.EndedAt != null, Cancel);
    }, Cancel, Settles);

    private Task<TimeSpan> EndedAsync(Guid id) => Until.TrueAsync("the newest run has succeeded", async () =>
    {
        await using var db = it.Database.Open();
        var run = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
        run.Phase.ShouldNotBe(RunPhase.Failed, run.Cause);
        return run.Phase is RunPhase.Succeeded;
    }, Cancel, Settles);

    /// <summary>Exactly this many workers, according to the compute engine, the containers, and everything held for them.</summary>
    public async Task IsAsync(Guid id, int workers)
    {
        string[] scratch = [.. singles, .. Enumerable.Range(0, workers).Select(i => $"worker{i}")];
        (await it.Lab.Clusters.LookAsync(id, Cancel))!.Nodes.Select(n => n.Name).ShouldBe(scratch, ignoreOrder: true, "containers");
        (await CountAsync(id, count)).ShouldBe(workers, "workers that the engine knows");
        (await it.Lab.Shares.AccessAsync(Cancel))
            .Where(a => a.Workspace == id)
            .Select(a => a.Folder)
            .OfType<FolderRef.Scratch>()
            .Select(f => f.Node)
            .ShouldBe(scratch, ignoreOrder: true, "mounts of scratch folders");
        (await it.Lab.Filesets.ScratchAsync(Cancel)).Where(f => f.Workspace == id).Select(f => f.Node).ShouldBe(scratch, ignoreOrder: true, "scratch folders");
        await using var db = it.Database.Open();
        (await db.Workspaces.SingleAsync(w => w.Id == id, Cancel)).Workers.ShouldBe(workers);
        (await db.CapacityClaims.Where(c => c.WorkspaceId == id && c.EndedAt == null).Select(c => c.Node).ToListAsync(Cancel))
            .ShouldBe(scratch, ignoreOrder: true, "room");
        foreach (var kind in (ReservationKind[])[ReservationKind.Compute, ReservationKind.Scratch])
            (await db.Reservations.Where(r => r.WorkspaceId == id && r.EndedAt == null && r.Kind == kind).Select(r => r.Node).ToListAsync(Cancel))
                .ShouldBe(scratch, ignoreOrder: true, $"quota of {kind}");
    }

    /// <summary>The number that a program of the notebook prints; -1 if it prints none.</summary>
    public async Task<int> CountAsync(Guid id, string program)
    {
        var output = await it.Lab.Clusters.ExecuteAsync(id, "notebook", ["python3", "-c", program], Cancel);
        return int.TryParse(output.Output.Trim().Split('\n')[^1], System.Globalization.CultureInfo.InvariantCulture, out var count) ? count : -1;
    }

    public async Task DeleteAsync(Guid owner, Guid id)
    {
        await it.Site.Get<DeleteWorkspace>().RunAsync(new(owner), id, Cancel);
        await EndedAsync(id);
        (await it.Lab.Clusters.LookAsync(id, Cancel)).ShouldBeNull();
        (await it.Lab.Shares.AccessAsync(Cancel)).ShouldNotContain(a => a.Workspace == id);
        (await it.Lab.Filesets.ScratchAsync(Cancel)).ShouldNotContain(f => f.Workspace == id);
    }
}
