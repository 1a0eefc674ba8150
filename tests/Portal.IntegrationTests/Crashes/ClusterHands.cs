using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

/// <summary>Launches, resizes and counts clusters of one template on a running installation.</summary>
/// <param name="singles">Its nodes beside the workers, with scratch folders.</param>
/// <param name="count">A program of the notebook that prints how many workers the engine knows.</param>
internal sealed class ClusterHands(Installation it, string template, string[] singles, string count)
{
    private static readonly TimeSpan Settles = TimeSpan.FromMinutes(2), Builds = TimeSpan.FromMinutes(15);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Kills Jobs and the web after steps of resizes up and down; after each what is there is what was ordered.</summary>
    public async Task KillResizesAsync()
    {
        var (owner, id) = await ReadyAsync(workers: 1);
        foreach (var (workers, after, victim) in ((int, StepKey, Child)[])
            [(3, StepKey.CheckResize, it.Jobs), (1, StepKey.DrainWorkers, it.Jobs), (3, StepKey.EnsureAccess, it.Jobs), (2, StepKey.DropWorkers, it.Jobs), (3, StepKey.EnsureCluster, it.Jobs), (1, StepKey.UnmountWorkers, it.Web)])
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

    /// <summary>Of the newest run.</summary>
    private Task<TimeSpan> SavedAsync(Guid id, StepKey step) => Until.TrueAsync($"{step} is saved", async () =>
    {
        await using var db = it.Database.Open();
        var run = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
        run.Phase.ShouldNotBe(RunPhase.Failed, run.Cause);
        return await db.RunSteps.AnyAsync(s => s.RunId == run.Id && s.Key == step && s.EndedAt != null, Cancel);
    }, Cancel, Settles);

    private Task<TimeSpan> EndedAsync(Guid id) => Until.TrueAsync("the newest run has ended well", async () =>
    {
        await using var db = it.Database.Open();
        var run = await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
        run.Phase.ShouldNotBe(RunPhase.Failed, run.Cause);
        return run.Phase is RunPhase.Succeeded;
    }, Cancel, Settles);

    /// <summary>This many workers, by the engine that counts them, the containers, and everything that is held for them.</summary>
    public async Task IsAsync(Guid id, int workers)
    {
        string[] scratch = [.. singles, .. Enumerable.Range(0, workers).Select(i => $"worker{i}")];
        (await it.Lab.Clusters.LookAsync(id, Cancel))!.Nodes.Select(n => n.Name).ShouldBe(scratch, ignoreOrder: true, "containers");
        (await CountAsync(id, count)).ShouldBe(workers, "workers that the engine knows");
        (await it.Lab.Shares.AccessAsync(Cancel)).Where(a => a.Workspace == id && a.Scratch is not null).Select(a => a.Scratch!).ShouldBe(scratch, ignoreOrder: true, "mounts of scratch folders");
        (await it.Lab.Filesets.ScratchAsync(Cancel)).Where(f => f.Workspace == id).Select(f => f.Node).ShouldBe(scratch, ignoreOrder: true, "scratch folders");
        await using var db = it.Database.Open();
        (await db.Workspaces.SingleAsync(w => w.Id == id, Cancel)).Workers.ShouldBe(workers);
        (await db.CapacityClaims.Where(c => c.WorkspaceId == id && c.EndedAt == null).Select(c => c.Node).ToListAsync(Cancel)).ShouldBe(scratch, ignoreOrder: true, "room");
        foreach (var kind in (ReservationKind[])[ReservationKind.Compute, ReservationKind.Scratch])
            (await db.Reservations.Where(r => r.WorkspaceId == id && r.EndedAt == null && r.Kind == kind).Select(r => r.Node).ToListAsync(Cancel)).ShouldBe(scratch, ignoreOrder: true, $"quota of {kind}");
    }

    /// <summary>The number that a program of the notebook prints; -1 while it prints none.</summary>
    public async Task<int> CountAsync(Guid id, string program)
    {
        var said = await it.Lab.Clusters.ExecuteAsync(id, "notebook", ["python3", "-c", program], Cancel);
        return int.TryParse(said.Said.Trim().Split('\n')[^1], System.Globalization.CultureInfo.InvariantCulture, out var count) ? count : -1;
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
