using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Access;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Workspaces with workers on scripted clouds, and what they hold.</summary>
internal sealed class ResizeSite : IAsyncDisposable
{
    private readonly TestDatabase _database;
    private readonly CancellationToken _cancel;

    private ResizeSite(TestDatabase database, TestSite site, ScriptedClouds clouds, CancellationToken cancel)
    {
        (_database, Site, Clouds, _cancel) = (database, site, clouds, cancel);
        Jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
    }

    public TestSite Site { get; }
    public ScriptedClouds Clouds { get; }
    public JobsProcess Jobs { get; }
    public Guid Owner => Site.Students[0];

    public static async Task<ResizeSite> CreateAsync(CancellationToken cancel, Func<string, Mood>? mood = null, int drainMinutes = 5,
        Amounts? members = null, Amounts? capacity = null)
    {
        var database = await TestDatabase.CreateAsync(cancel);
        var site = await TestSite.CreateAsync(database, 2, members ?? new(1000, 1_000_000, 1000, 100), cancel,
            all: new(10_000, 10_000_000, 10_000, 1000), capacity: capacity);
        var worker = TestSite.Cluster.Roles[1];
        await site.PublishAsync(
            TestSite.Cluster with { Roles = [TestSite.Cluster.Roles[0], worker with { Drain = worker.Drain! with { Minutes = drainMinutes } }] }, cancel);
        return new(database, site, new((what, _) => mood?.Invoke(what) ?? Mood.Well), cancel);
    }

    public async Task<Guid> LaunchAsync(int workers, Guid? owner = null)
    {
        var order = Site.Order(owner ?? Owner) with { TemplateId = "cluster", Workers = workers };
        (await Site.Get<LaunchWorkspace>().RunAsync(order, _cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await Jobs.UntilSettledAsync(_cancel);
        (await Site.Get<WorkspaceFeed>().LookAsync(new(owner ?? Owner), order.Id, _cancel))!.Status.ShouldBe(WorkspaceStatus.Ready);
        return order.Id;
    }

    public Task<ChangeOutcome> ResizeAsync(Guid id, int workers, Guid? by = null) =>
        Site.Get<ResizeWorkspace>().RunAsync(new(by ?? Owner), id, workers, _cancel);

    public async Task<WorkspaceView> LookAsync(Guid id) => (await Site.Get<WorkspaceFeed>().LookAsync(new(Owner), id, _cancel))!;

    public async Task<OpenAppOutcome> OpenAsync(Guid id) =>
        await new OpenApp(Site.Get<IDbContextFactory<Core.Data.PortalDb>>()).RunAsync(new(Owner), Secret.Hash(Secret.New()), id, "lab", _cancel);

    public Dictionary<string, string> Containers(Guid id) => Clouds.NodesOf(id).ToDictionary(n => n.Name, n => n.StateHash, StringComparer.Ordinal);

    /// <summary>What its nodes have reserved, which equals what they have claimed.</summary>
    public async Task<Amounts> PromisedAsync(Guid id)
    {
        await using var db = _database.Open();
        var reserved = await db.Reservations
            .Where(r => r.WorkspaceId == id && r.Kind == ReservationKind.Compute && r.EndedAt == null)
            .OrderBy(r => r.Node)
            .Select(r => new { r.Node, r.Vcpu, r.MemoryMib })
            .ToListAsync(_cancel);
        var claimed = await db.CapacityClaims
            .Where(c => c.WorkspaceId == id && c.EndedAt == null)
            .OrderBy(c => c.Node)
            .Select(c => new { c.Node, c.Vcpu, c.MemoryMib })
            .ToListAsync(_cancel);
        claimed.ShouldBe(reserved);
        return new(reserved.Sum(r => r.Vcpu), reserved.Sum(r => r.MemoryMib), 0, 0);
    }

    /// <summary>Claims until the newest run of a workspace is as wanted.</summary>
    public async Task ClaimUntilAsync(Guid id, Func<Run, bool> wanted)
    {
        await Until.TrueAsync("the run is in the wanted state", async () =>
        {
            await Task.WhenAll(await Jobs.ClaimAsync(_cancel));
            await using var db = _database.Open();
            return wanted(await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(_cancel));
        }, _cancel);
    }

    /// <summary>An order to resize, inserted directly as role portal_web.</summary>
    public async Task ForgeAsync(Guid id, string column, object value)
    {
        await using var web = NpgsqlDataSource.Create(_database.Web);
        await using var forge = web.CreateCommand($"""
            insert into portal.runs (workspace_id, number, kind, ordered_by, {column})
            select $1, max(number) + 1, 'Resize', $2, $3 from portal.runs where workspace_id = $1
            """);
        foreach (var v in (object[])[id, Owner, value]) forge.Parameters.Add(new() { Value = v });
        await forge.ExecuteNonQueryAsync(_cancel);
    }

    /// <summary>Quota, capacity, containers, folders and mounts match exactly this number of workers.</summary>
    public async Task HoldsAsync(Guid id, int workers, bool stopped = false)
    {
        await using var db = _database.Open();
        var names = Enumerable.Range(0, workers).Select(i => $"worker{i}").ToArray();
        string[] running = stopped ? [] : ["notebook", .. names];
        var open = await db.Reservations.AsNoTracking().Where(r => r.WorkspaceId == id && r.EndedAt == null).ToListAsync(_cancel);
        open.Where(r => r.Kind == ReservationKind.Compute)
            .Select(r => (r.Node, r.Vcpu, r.MemoryMib))
            .ShouldBe(running.Select(n => (n, 1, 1024)), ignoreOrder: true, "quota of what runs");
        open.Where(r => r.Kind == ReservationKind.Scratch)
            .Select(r => (r.Node, r.StorageGib))
            .ShouldBe(names.Select(n => (n, 1)), ignoreOrder: true, "quota of scratch folders");
        (await db.CapacityClaims.AsNoTracking().Where(c => c.WorkspaceId == id && c.EndedAt == null).Select(c => c.Node).ToListAsync(_cancel))
            .ShouldBe(running, ignoreOrder: true, "room");
        Clouds.NodesOf(id).Select(n => n.Name).ShouldBe(running, ignoreOrder: true, "containers");
        (await db.Nodes.AsNoTracking().Where(n => n.WorkspaceId == id).Select(n => n.Name).ToListAsync(_cancel))
            .ShouldBe(running, ignoreOrder: true, "rows of nodes");
        Clouds.ScratchOf(id).Folders.ShouldBe(names, ignoreOrder: true, "scratch folders");
        Clouds.ScratchOf(id).Trusted.ShouldBe(stopped ? [] : names, ignoreOrder: true, "mounts and rules of scratch folders");
        (await db.Workspaces.SingleAsync(w => w.Id == id, _cancel)).Workers.ShouldBe(workers);
        Clouds.Broken.ShouldBeEmpty();
    }

    public async ValueTask DisposeAsync()
    {
        await Jobs.DisposeAsync();
        await Site.DisposeAsync();
        await _database.DisposeAsync();
    }
}
