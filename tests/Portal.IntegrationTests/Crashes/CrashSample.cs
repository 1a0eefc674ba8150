using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

/// <summary>Kills a process at a moment in a plan, and checks what everything has become afterwards.</summary>
public abstract class CrashSample(CrashSite site, ITestOutputHelper output)
{
    private static readonly TimeSpan Settles = TimeSpan.FromMinutes(2);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    protected Installation It => site.It;

    /// <param name="Plan">The plan in which it is killed.</param>
    /// <param name="After">The step that was saved before; null for a random moment.</param>
    /// <param name="Victim">jobs, web, database, or pause: Jobs stopped past its lease.</param>
    protected sealed record KillPoint(RunKind Plan, StepKey? After, string Victim);

    protected async Task KillAsync(IEnumerable<KillPoint> killPoints, int seed)
    {
        var random = new Random(seed);
        var student = 0;
        foreach (var killPoint in killPoints)
        {
            var took = Stopwatch.StartNew();
            var owner = It.Site.Students[student++ % It.Site.Students.Count];
            var order = It.Site.Order(owner);
            await BeginAsync(killPoint.Plan, owner, order);
            await KillAtAsync(killPoint, order.Id, random);
            await SettleAsync();
            await CheckAsync();
            // Whatever its state, its owner can delete it.
            await It.Site.Get<DeleteWorkspace>().RunAsync(new(owner), order.Id, Cancel);
            await SettleAsync();
            await CheckAsync();
            output.WriteLine($"{killPoint.Plan,-7} {killPoint.After?.ToString() ?? "at random",-16} {killPoint.Victim,-9} {took.Elapsed.TotalSeconds:F1} s");
        }
    }

    /// <summary>Brings the workspace to where the plan begins, and orders it.</summary>
    protected async Task BeginAsync(RunKind plan, Guid owner, LaunchRequest order)
    {
        var outcome = await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel);
        outcome.ShouldBeOfType<LaunchOutcome.Accepted>(outcome.ToString());
        if (plan == RunKind.Launch) return;
        await SettleAsync();
        if (plan is RunKind.Start)
        {
            await It.Site.Get<StopWorkspace>().RunAsync(new(owner), order.Id, Cancel);
            await SettleAsync();
            (await It.Site.Get<StartWorkspace>().RunAsync(new(owner), order.Id, null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        }
        else if (plan is RunKind.Stop) (await It.Site.Get<StopWorkspace>().RunAsync(new(owner), order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        else (await It.Site.Get<DeleteWorkspace>().RunAsync(new(owner), order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
    }

    private async Task KillAtAsync(KillPoint killPoint, Guid workspace, Random random)
    {
        if (killPoint.After is { } step) await SavedAsync(workspace, killPoint.Plan, step);
        else await Task.Delay(random.Next(3000), Cancel);
        switch (killPoint.Victim)
        {
            case "jobs":
                It.Jobs.Kill();
                It.Jobs.Start();
                break;
            case "web":
                It.Web.Kill();
                It.Web.Start();
                break;
            case "pause":
                await PauseAsync();
                break;
            case "database":
                await KillDatabaseAsync();
                break;
        }
    }

    /// <summary>Stopped past its lease while another process takes over; then it wakes and finds that nothing
    /// belongs to it any more. Checked only once it visibly works again.</summary>
    /// <param name="holdingLeaseOf">A workspace whose run the stopped process must hold; null if it may hold nothing.</param>
    protected async Task PauseAsync(Guid? holdingLeaseOf = null)
    {
        if (holdingLeaseOf is { } workspace) await PauseHoldingAsync(workspace);
        else It.Jobs.Pause();
        var beats = await HeartbeatsAsync(It.Jobs.Id);
        var other = It.SecondJobs();
        other.Start();
        await SettleAsync(); // only the other process can have done that
        var version = await VersionsAsync();
        It.Jobs.Resume();
        // Both its servers send heartbeats again: what it had begun goes on before their timers fall due.
        await Until.TrueAsync("the woken process works", async () => (await HeartbeatsAsync(It.Jobs.Id)).Count(b => b > beats.Max()) == 2, Cancel, Settles);
        await SettleAsync();
        (await VersionsAsync()).ShouldBe(version, "the woken process wrote nothing under its old version");
        await CheckAsync();
        other.Kill();
    }

    /// <summary>Stops it at a moment when it holds the run: between two checks of a step no process does.</summary>
    private Task<TimeSpan> PauseHoldingAsync(Guid workspace) => Until.TrueAsync("it is stopped while holding the lease", async () =>
    {
        It.Jobs.Pause();
        if (await HeldByAsync(workspace) == It.Jobs.Id) return true;
        It.Jobs.Resume();
        return false;
    }, Cancel, Settles);

    /// <summary>The process id in the name of the holder of the workspace's run; null if there is none.</summary>
    private async Task<int?> HeldByAsync(Guid workspace)
    {
        await using var db = It.Database.Open();
        var owner = await db.Runs.Where(r => r.WorkspaceId == workspace && (r.Phase == RunPhase.Handed || r.Phase == RunPhase.Active))
            .Select(r => r.Owner)
            .SingleOrDefaultAsync(Cancel);
        return owner is null ? null : int.Parse(owner.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Times of the last heartbeats of a process's two Hangfire servers.</summary>
    private async Task<IReadOnlyList<double>> HeartbeatsAsync(int process)
    {
        await using var db = It.Database.Open();
        var named = $"%:{process}:%";
        return await db.Database.SqlQuery<double>($"select extract(epoch from lastheartbeat)::float8 as \"Value\" from hangfire.server where id like {named}")
            .ToListAsync(Cancel);
    }

    private async Task<string> VersionsAsync()
    {
        await using var db = It.Database.Open();
        return string.Join(' ', await db.Runs.OrderBy(r => r.Id).Select(r => r.Id + ":" + r.Version + ":" + r.Phase + ":" + r.DoneStep).ToListAsync(Cancel));
    }

    private async Task KillDatabaseAsync()
    {
        var file = Environment.GetEnvironmentVariable("PORTAL_TEST_DB_PROCESS")
            ?? throw new InvalidOperationException("PORTAL_TEST_DB_PROCESS is not set, so there is no database to kill; infra/test sets it.");
        var before = await File.ReadAllTextAsync(file, Cancel);
        using (var postmaster = Process.GetProcessById(int.Parse(before.Split(' ', '\n')[0], System.Globalization.CultureInfo.InvariantCulture)))
            postmaster.Kill();
        It.Site.Get<Npgsql.NpgsqlDataSource>().Clear(); // like the product's listener
        await Until.TrueAsync("the database is back", async () =>
        {
            // Connections of the killed one answer for some more moments.
            if (!File.Exists(file) || await File.ReadAllTextAsync(file, Cancel) == before) return false;
            try
            {
                await using var db = It.Database.Open();
                return await db.Runs.CountAsync(Cancel) >= 0;
            }
            catch (Exception e) when (e is Npgsql.NpgsqlException || e.InnerException is Npgsql.NpgsqlException) { return false; }
        }, Cancel, TimeSpan.FromMinutes(1));
    }

    protected async Task SavedAsync(Guid workspace, RunKind plan, StepKey step) => await Until.TrueAsync($"{plan} has saved {step}", async () =>
    {
        await using var db = It.Database.Open();
        return await (
            from s in db.RunSteps
            join r in db.Runs on s.RunId equals r.Id
            where r.WorkspaceId == workspace && r.Kind == plan && s.Key == step && s.EndedAt != null
            select 1).AnyAsync(Cancel);
    }, Cancel, Settles);

    protected async Task SettleAsync()
    {
        try
        {
            await Until.TrueAsync("every run has ended", async () =>
            {
                try
                {
                    await using var db = It.Database.Open();
                    return !await db.Runs.AnyAsync(r => r.Phase != RunPhase.Succeeded && r.Phase != RunPhase.Failed && r.Phase != RunPhase.Cancelled, Cancel);
                }
                catch (Exception e) when (e is Npgsql.NpgsqlException || e.InnerException is Npgsql.NpgsqlException) { return false; }
            }, Cancel, Settles);
        }
        catch (TimeoutException e)
        {
            await using var db = It.Database.Open();
            var open = await db.Runs.AsNoTracking().Where(r => r.EndedAt == null).ToListAsync(Cancel);
            throw new TimeoutException(
                $"{e.Message}\n"
                + string.Join('\n', open.Select(r =>
                    $"{r.Kind} {r.Phase} after {r.DoneStep} attempts {r.Attempts} owner {r.Owner} due {r.DueAt:O} lease {r.LeaseUntil:O}: {r.Message}"))
                + $"\nJobs {It.Jobs.Id} {It.Jobs.Runs}: {It.Jobs.LastOutput}\nWeb {It.Web.Id} {It.Web.Runs}: {It.Web.LastOutput}", e);
        }
    }

    protected async Task CheckAsync()
    {
        await using var db = It.Database.Open();
        var workspaces = await db.Workspaces.AsNoTracking().ToListAsync(Cancel);
        var newest = await db.Runs.AsNoTracking()
            .Where(r => r.Number == db.Set<Run>().Where(o => o.WorkspaceId == r.WorkspaceId).Max(o => o.Number))
            .ToDictionaryAsync(r => r.WorkspaceId, Cancel);
        var ready = workspaces.Where(w => newest[w.Id] is { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Succeeded }).ToList();
        newest.Values.Where(r => r.Phase == RunPhase.Failed).Select(r => r.Cause).ShouldBeEmpty();
        var ids = ready.Select(w => w.Id).Order().ToList();

        var clusters = await It.Lab.Clusters.LookAsync(Cancel);
        clusters.Select(c => c.Workspace).ShouldBe(ids, ignoreOrder: true, "networks and containers");
        foreach (var c in clusters)
            c.Nodes.Select(n => (n.Name, n.Generation))
                .ShouldBe([("notebook", workspaces.Single(w => w.Id == c.Workspace).Generation)], ignoreOrder: true, "one node, of this generation");
        var folders = ready.SelectMany(w => (string?[])[null, "notebook"], (w, scratch) => (w.Id, w.Generation, scratch)); // the work folder, and scratch
        (await It.Lab.Shares.AccessAsync(Cancel)).Select(a => (a.Workspace, a.Generation, (a.Folder as FolderRef.Scratch)?.Node))
            .ShouldBe(folders, ignoreOrder: true, "mounts and rules");
        (await It.Lab.UsageAsync(Cancel)).Count(u => u.Folder is FolderRef.Work)
            .ShouldBeLessThanOrEqualTo(await db.WorkFolders.CountAsync(Cancel), "subvolumes");
        (await db.Subnets.Where(s => s.ReleasedAt == null).Select(s => s.WorkspaceId).ToListAsync(Cancel)).ShouldBe(ids, ignoreOrder: true, "addresses");
        (await db.CapacityClaims.Where(c => c.EndedAt == null).Select(c => c.WorkspaceId).ToListAsync(Cancel)).ShouldBe(ids, ignoreOrder: true, "room");
        (await db.Reservations.Where(r => r.EndedAt == null && r.Kind == ReservationKind.Compute).Select(r => r.WorkspaceId!.Value).ToListAsync(Cancel))
            .ShouldBe(ids, ignoreOrder: true, "quota");
    }
}
