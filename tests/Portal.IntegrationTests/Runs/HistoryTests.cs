using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>
/// Random histories of launch, resize, stop, start, delete, cancel and crash on scripted clouds that lose responses, refuse, become unavailable and let
/// calls land late. Two processes of Jobs compete with short leases. Whatever happens, storage is released last and nothing is left.
/// </summary>
public sealed class HistoryTests(ITestOutputHelper output)
{
    private const int Students = 100, Drivers = 12;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public Task Runs_RandomHistories_ReleaseInOrderAndLeaveNothing() => RunAsync(histories: 200);

    [Fact, Trait("Lane", "long")]
    public Task Runs_ThousandsOfRandomHistories_ReleaseInOrderAndLeaveNothing() => RunAsync(histories: 2000);

    private async Task RunAsync(int histories)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, Students, new(10_000, 10_000_000, 10_000, 10_000), Cancel);
        await site.PublishAsync(TestSite.Cluster, Cancel);
        var dice = new ConcurrentDictionary<Guid, Random>();
        var drains = new Random(7);
        var calm = false; // in the end the clouds work: the test judges what is left, not whether the last sweep met a fault
        var clouds = new ScriptedClouds((_, workspace) => calm ? Mood.Well : Roll(dice.GetOrAdd(workspace, w => new Random(w.GetHashCode()))));
        await using var one = site.Process(clouds, TimeSpan.FromMilliseconds(900));
        await using var two = site.Process(clouds, TimeSpan.FromMilliseconds(900));
        using var over = new CancellationTokenSource();
        clouds.Command = (node, _) => { lock (drains) return new(drains.Next(4) == 0 ? 75 : 0, ""); };
        var crews = new[] { ClaimForEverAsync(one, over.Token), ClaimForEverAsync(two, over.Token) };

        var ids = new ConcurrentBag<Guid>();
        await Parallel.ForEachAsync(Enumerable.Range(0, histories), new ParallelOptions { MaxDegreeOfParallelism = Drivers, CancellationToken = Cancel },
            async (n, cancel) => ids.Add(await LiveAsync(site, new Random(n), site.Students[n % Students], cancel)));
        await Until.TrueAsync("every run has ended", async () =>
        {
            await using var db = database.Open();
            return !await db.Runs.AnyAsync(r => r.Phase != RunPhase.Succeeded && r.Phase != RunPhase.Failed && r.Phase != RunPhase.Cancelled, Cancel);
        }, Cancel, TimeSpan.FromMinutes(4));
        await over.CancelAsync();
        await Task.WhenAll(crews);

        clouds.Broken.ShouldBeEmpty();
        await CheckAsync(database, clouds, swept: false);
        // A dead process's calls may land at any later time: the sweep finds their results.
        clouds.LandLateCalls();
        calm = true;
        for (var i = 0; i < 3; i++) await one.Get<Orphans>().RunAsync(one.Kit, Cancel);
        clouds.Broken.ShouldBeEmpty();
        await CheckAsync(database, clouds, swept: true);
        clouds.Bury();
        ids.Distinct().Count().ShouldBe(histories);
    }

    private static Mood Roll(Random random)
    {
        lock (random)
            return random.Next(100) switch
            {
                < 3 => Mood.WorksAnswerLost,
                < 5 => Mood.Unavailable,
                < 6 => Mood.Refuses,
                < 9 => Mood.CallerDiesDone,
                < 12 => Mood.CallerDiesLate,
                < 16 => Mood.AllowsSlowly,
                < 20 => Mood.DeniesSlowly,
                < 21 => Mood.RuleInError,
                < 25 => Mood.BuildsSlowly,
                < 26 => Mood.BreaksNodes,
                _ => Mood.Well
            };
    }

    private static async Task ClaimForEverAsync(JobsProcess process, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            var begun = await process.ClaimAsync(CancellationToken.None);
            // Not awaited for long: a run whose worker has died never returns.
            if (begun.Count > 0) await Task.WhenAny(Task.WhenAll(begun), Task.Delay(20, CancellationToken.None));
            else await Task.Delay(5, CancellationToken.None);
        }
    }

    /// <summary>One workspace's life as its owner makes it, without waiting for anything to finish.</summary>
    private static async Task<Guid> LiveAsync(TestSite site, Random random, Guid student, CancellationToken cancel)
    {
        var cluster = random.Next(2) == 0;
        var order = cluster ? site.Order(student) with { TemplateId = "cluster", Workers = random.Next(1, 5) } : site.Order(student);
        (await site.Get<LaunchWorkspace>().RunAsync(order, cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        for (var left = random.Next(5); left > 0; left--)
        {
            await Task.Delay(random.Next(40), cancel);
            _ = random.Next(cluster ? 10 : 5) switch
            {
                > 4 => await ResizeAsync(site, random.Next(1, 7), student, order.Id, cancel),
                0 or 1 => await site.Get<StopWorkspace>().RunAsync(new(student), order.Id, cancel),
                2 or 3 => await site.Get<StartWorkspace>().RunAsync(new(student), order.Id, null, cancel),
                _ => await site.Get<DeleteWorkspace>().RunAsync(new(student), order.Id, cancel),
            };
        }
        return order.Id;
    }

    /// <summary>Mostly of one that is ready: else a resize is only refused.</summary>
    private static async Task<ChangeOutcome> ResizeAsync(TestSite site, int workers, Guid student, Guid id, CancellationToken cancel)
    {
        var feed = site.Get<WorkspaceFeed>();
        async Task<bool> SettledAsync() => await feed.LookAsync(new(student), id, cancel) is not
        {
            Status: not (WorkspaceStatus.Ready
                or WorkspaceStatus.Resizing
                or WorkspaceStatus.Stopped
                or WorkspaceStatus.Failed
                or WorkspaceStatus.Deleted)
        };
        for (var looks = 0; looks < 40 && !await SettledAsync(); looks++)
            await Task.Delay(25, cancel);
        return await site.Get<ResizeWorkspace>().RunAsync(new(student), id, workers, cancel);
    }

    private async Task CheckAsync(TestDatabase database, ScriptedClouds clouds, bool swept)
    {
        await using var db = database.Open();
        var workspaces = await db.Workspaces.AsNoTracking().ToDictionaryAsync(w => w.Id, Cancel);
        var specs = await db.TemplateVersions.AsNoTracking().ToDictionaryAsync(t => t.Id, t => t.Spec, Cancel);
        var newest = await db.Runs.AsNoTracking()
            .Where(r => r.Number == db.Set<Run>().Where(o => o.WorkspaceId == r.WorkspaceId).Max(o => o.Number))
            .ToListAsync(Cancel);
        var lifecycle = await db.LifecycleRunsAsync(workspaces.Keys, Cancel);
        var open = (await db.Reservations.AsNoTracking().Where(r => r.EndedAt == null && r.WorkspaceId != null).ToListAsync(Cancel))
            .ToLookup(r => r.WorkspaceId!.Value);
        var claims = (await db.CapacityClaims.AsNoTracking().Where(c => c.EndedAt == null).ToListAsync(Cancel)).ToLookup(c => c.WorkspaceId);
        var subnets = (await db.Subnets.AsNoTracking().Where(s => s.ReleasedAt == null).Select(s => s.WorkspaceId).ToListAsync(Cancel)).ToHashSet();
        var wrong = new List<string>();
        foreach (var run in newest)
        {
            var id = run.WorkspaceId;
            var (w, spec) = (workspaces[id], specs[workspaces[id].TemplateVersionId]);
            var (ready, deleted) = (lifecycle[id].IsUp(), run is { Kind: RunKind.Delete, Phase: RunPhase.Succeeded });
            var nodes = spec.Nodes(w.SizeId, w.Workers);
            var label = $"{id} {run.Kind} {run.Phase}, {w.Workers} workers";
            string Sorted(IEnumerable<string> names) => string.Join(' ', names.Order(StringComparer.Ordinal));
            void Same(string what, IEnumerable<string> seen, IEnumerable<string> wanted)
            {
                if (Sorted(seen) != Sorted(wanted)) wrong.Add($"{label}: {what} is \"{Sorted(seen)}\", not \"{Sorted(wanted)}\"");
            }
            var running = ready ? nodes.ToList() : [];
            var left = string.Join(' ', clouds.LeftOf(id).Split(' ').Where(l => l != "scratch" || deleted));
            // Orphans of a late call are for the sweep.
            if (ready ? !clouds.Runs(id) : left.Length > 0) wrong.Add($"{label}: seen \"{clouds.LeftOf(id)}\"");
            if (swept) Same("what runs", clouds.NodesOf(id).Select(n => n.Name), running.Select(n => n.Name));
            Same("quota", open[id].Where(r => r.Kind == ReservationKind.Compute).Select(r => $"{r.Node}:{r.Vcpu}:{r.MemoryMib}"),
                running.Select(n => $"{n.Name}:{n.Size.Vcpu}:{n.Size.MemoryMib}"));
            Same("room", claims[id].Select(c => $"{c.Node}:{c.Vcpu}:{c.MemoryMib}"), running.Select(n => $"{n.Name}:{n.Size.Vcpu}:{n.Size.MemoryMib}"));
            // Workers that were leaving when a stop ended their run are for the sweep too.
            var scratch = deleted ? [] : nodes.Where(n => n.Role.ScratchGib > 0).Select(n => n.Name).ToList();
            if (swept) Same("quota of scratch", open[id].Where(r => r.Kind == ReservationKind.Scratch).Select(r => r.Node), scratch);
            if (clouds.ScratchOf(id).Folders
                .Except(open[id].Where(r => r.Kind == ReservationKind.Scratch).Select(r => r.Node))
                .ToList() is { Count: > 0 } unpaid && swept)
                wrong.Add($"{label}: folders without quota {Sorted(unpaid)}");
            if (subnets.Contains(id) != ready) wrong.Add($"{label}: address {subnets.Contains(id)}");
            if (open[id].Any(r => r.Kind == ReservationKind.Workspace) == deleted) wrong.Add($"{label}: its place in the quota is wrong");
        }
        output.WriteLine(string.Join(", ", newest.GroupBy(r => (r.Kind, r.Phase)).OrderBy(g => g.Key).Select(g => $"{g.Key.Kind} {g.Key.Phase}: {g.Count()}")));
        wrong.ShouldBeEmpty();
    }
}
