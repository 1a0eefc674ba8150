using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>
/// Random histories of launch, stop, start, delete, cancel and crash on scripted clouds that lose answers, refuse, go away and let calls
/// land late. Two processes of Jobs compete with short leases. Whatever happened: storage is released last, and nothing is left.
/// </summary>
public sealed class HistoryTests(ITestOutputHelper output)
{
    private const int Histories = 2000, Students = 100, Drivers = 12;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_RandomHistories_ReleaseInOrderAndLeaveNothing()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, Students, new(10_000, 10_000_000, 100, 10_000), Cancel);
        var dice = new ConcurrentDictionary<Guid, Random>();
        var calm = false; // at the end the clouds are well: what is judged is what is left, not whether the last sweep met a fault
        var clouds = new ScriptedClouds((_, workspace) => calm ? Mood.Well : Roll(dice.GetOrAdd(workspace, w => new Random(w.GetHashCode()))));
        await using var one = site.Process(clouds, TimeSpan.FromMilliseconds(900));
        await using var two = site.Process(clouds, TimeSpan.FromMilliseconds(900));
        using var over = new CancellationTokenSource();
        var crews = new[] { ClaimForEverAsync(one, over.Token), ClaimForEverAsync(two, over.Token) };

        var ids = new ConcurrentBag<Guid>();
        await Parallel.ForEachAsync(Enumerable.Range(0, Histories), new ParallelOptions { MaxDegreeOfParallelism = Drivers, CancellationToken = Cancel },
            async (n, cancel) => ids.Add(await LiveAsync(site, new Random(n), site.Students[n % Students], cancel)));
        await Until.TrueAsync("every run has ended", async () =>
        {
            await using var db = database.Open();
            return !await db.Runs.AnyAsync(r => r.Phase != RunPhase.Succeeded && r.Phase != RunPhase.Failed && r.Phase != RunPhase.Cancelled, Cancel);
        }, Cancel, TimeSpan.FromMinutes(4));
        await over.CancelAsync();
        await Task.WhenAll(crews);

        clouds.Broken.ShouldBeEmpty();
        await CheckAsync(database, clouds);
        // What a dead process had asked for may land at any time later: the sweep finds it.
        clouds.LandLateCalls();
        calm = true;
        for (var i = 0; i < 3; i++) await one.Get<Leftovers>().RunAsync(Cancel);
        clouds.Broken.ShouldBeEmpty();
        await CheckAsync(database, clouds);
        clouds.Bury();
        ids.Distinct().Count().ShouldBe(Histories);
    }

    private static Mood Roll(Random random)
    {
        lock (random)
            return random.Next(100) switch { < 3 => Mood.WorksAnswerLost, < 5 => Mood.Away, < 6 => Mood.Refuses, < 9 => Mood.CallerDiesDone, < 12 => Mood.CallerDiesLate, _ => Mood.Well };
    }

    private static async Task ClaimForEverAsync(JobsProcess process, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            var begun = await process.ClaimAsync(CancellationToken.None);
            // Not awaited for long: a run whose worker has died never comes back.
            if (begun.Count > 0) await Task.WhenAny(Task.WhenAll(begun), Task.Delay(20, CancellationToken.None));
            else await Task.Delay(5, CancellationToken.None);
        }
    }

    /// <summary>One workspace's life as its owner makes it, without waiting for anything to finish.</summary>
    private static async Task<Guid> LiveAsync(TestSite site, Random random, Guid student, CancellationToken cancel)
    {
        var order = site.Order(student);
        (await site.Get<LaunchWorkspace>().RunAsync(order, cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        for (var left = random.Next(5); left > 0; left--)
        {
            await Task.Delay(random.Next(40), cancel);
            _ = random.Next(5) switch
            {
                0 or 1 => await site.Get<StopWorkspace>().RunAsync(new(student), order.Id, cancel),
                2 or 3 => await site.Get<StartWorkspace>().RunAsync(new(student), order.Id, null, cancel),
                _ => await site.Get<DeleteWorkspace>().RunAsync(new(student), order.Id, cancel),
            };
        }
        return order.Id;
    }

    private async Task CheckAsync(TestDatabase database, ScriptedClouds clouds)
    {
        await using var db = database.Open();
        var newest = await db.Runs.AsNoTracking().Where(r => r.Number == db.Runs.Where(o => o.WorkspaceId == r.WorkspaceId).Max(o => o.Number)).ToListAsync(Cancel);
        var open = (await db.Reservations.AsNoTracking().Where(r => r.EndedAt == null && r.WorkspaceId != null).ToListAsync(Cancel)).ToLookup(r => r.WorkspaceId!.Value);
        var claims = (await db.CapacityClaims.AsNoTracking().Where(c => c.EndedAt == null).Select(c => c.WorkspaceId).ToListAsync(Cancel)).ToHashSet();
        var subnets = (await db.Subnets.AsNoTracking().Where(s => s.ReleasedAt == null).Select(s => s.WorkspaceId).ToListAsync(Cancel)).ToHashSet();
        var wrong = new List<string>();
        foreach (var run in newest)
        {
            var id = run.WorkspaceId;
            var ready = run is { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Succeeded };
            var compute = open[id].Any(r => r.Kind == ReservationKind.Compute);
            if (ready ? !clouds.Runs(id) : clouds.LeftOf(id).Length > 0) wrong.Add($"{id} {run.Kind} {run.Phase}: seen \"{clouds.LeftOf(id)}\"");
            if (compute != ready || claims.Contains(id) != ready || subnets.Contains(id) != ready) wrong.Add($"{id} {run.Kind} {run.Phase}: quota {compute}, room {claims.Contains(id)}, address {subnets.Contains(id)}");
            if (open[id].Any(r => r.Kind == ReservationKind.Workspace) != (run is not { Kind: RunKind.Delete, Phase: RunPhase.Succeeded })) wrong.Add($"{id} {run.Kind} {run.Phase}: its place in the quota is wrong");
        }
        output.WriteLine(string.Join(", ", newest.GroupBy(r => (r.Kind, r.Phase)).OrderBy(g => g.Key).Select(g => $"{g.Key.Kind} {g.Key.Phase}: {g.Count()}")));
        wrong.ShouldBeEmpty();
    }
}
