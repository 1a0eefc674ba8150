using System.Net;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack.Faults;

/// <summary>Tests in which something of the rig or of the portal on it fails: one after another, with one portal, and nothing else beside them.</summary>
[CollectionDefinition(nameof(OnRig), DisableParallelization = true)]
public sealed class OnRig : ICollectionFixture<RigSite>;

/// <summary>The running product with its tenant in a project of a real OpenStack, and that project as its owner sees it. At the end nothing is left.</summary>
public sealed class RigSite : IAsyncLifetime
{
    private static readonly TimeSpan Settles = TimeSpan.FromMinutes(5);
    private readonly string _keys = Directory.CreateTempSubdirectory("portal-keys").FullName;
    private StackLab? _lab;
    private ServiceProvider? _engines;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public Installation It { get; private set; } = null!;

    /// <summary>The project, with the installation's id.</summary>
    internal StackLab Lab => _lab ?? throw new InvalidOperationException("the installation did not start");

    public async ValueTask InitializeAsync()
    {
        var settings = StackLab.PoolSettings(_keys).Select(s => (s.Key, s.Value!)).ToArray();
        It = await Installation.StartAsync(students: 8, ["notebook"], Cancel, settings);
        _lab = new(new OpenStackLab(It.Lab.Id));
        await _lab.InitializeAsync();
        _engines = _lab.Open(("Clouds:OpenStack:Servers:Keys", _keys));
        var pool = OpenStackLab.Projects[0];
        await Until.TrueAsync("the pool is healthy and has its image", async () =>
        {
            It.Jobs.MustRun();
            await using var db = It.Database.Open();
            return await db.Pools.AnyAsync(p => p.Key == pool && p.Clusters.Ok && p.Storage.Ok && p.StorageTotalBytes > 0, Cancel)
                && await db.Images.AnyAsync(i => i.PoolKey == pool && i.Name == "python" && i.State == ImageState.Ready, Cancel);
        }, Cancel, TimeSpan.FromMinutes(2));
        await It.Database.ExecuteAsync($"update portal.tenants set pool_key = {pool}", Cancel);
    }

    /// <summary>A launch of the notebook, accepted.</summary>
    /// <param name="student">Number of its owner.</param>
    public async Task<LaunchRequest> LaunchAsync(int student)
    {
        var order = It.Site.Order(It.Site.Students[student]);
        var outcome = await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel);
        outcome.ShouldBeOfType<LaunchOutcome.Accepted>(outcome.ToString());
        return order;
    }

    /// <summary>The same, until it is Ready.</summary>
    public async Task<LaunchRequest> ReadyAsync(int student)
    {
        var order = await LaunchAsync(student);
        await EndedAsync(order, RunKind.Launch);
        await CheckAsync(order);
        return order;
    }

    public async Task StopAsync(LaunchRequest order)
    {
        (await It.Site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await EndedAsync(order, RunKind.Stop);
    }

    public async Task StartAsync(LaunchRequest order)
    {
        (await It.Site.Get<StartWorkspace>().RunAsync(order.Actor, order.Id, null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await EndedAsync(order, RunKind.Start);
    }

    /// <summary>Deletes the workspace, whatever its state.</summary>
    public async Task DeleteAsync(LaunchRequest order)
    {
        (await It.Site.Get<DeleteWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await EndedAsync(order, RunKind.Delete);
    }

    /// <summary>The newest run of a workspace.</summary>
    public async Task<Run> RunAsync(LaunchRequest order)
    {
        await using var db = It.Database.Open();
        return await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == order.Id).OrderByDescending(r => r.Number).FirstAsync(Cancel);
    }

    /// <summary>Waits until the newest run, of that kind, has succeeded. Meanwhile it may wait, with words for people.</summary>
    public async Task EndedAsync(LaunchRequest order, RunKind kind) => (await SettledAsync(order, kind)).Phase.ShouldBe(RunPhase.Succeeded);

    /// <summary>Waits until the newest run, of that kind, has ended, however it ended.</summary>
    public async Task<Run> SettledAsync(LaunchRequest order, RunKind kind)
    {
        Run run = null!;
        try
        {
            await Until.TrueAsync($"{kind} has ended", async () =>
            {
                It.Jobs.MustRun();
                run = await RunAsync(order);
                return run.Kind == kind && run.Phase.IsFinished();
            }, Cancel, Settles);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message} {run.Kind} {run.Phase} after {run.DoneStep}: {run.Message}\n{It.Jobs.LastOutput}", e);
        }
        TestContext.Current.TestOutputHelper!.WriteLine($"{run.Kind} {run.Phase} {run.EndedAt - run.CreatedAt:mm\\:ss} {run.Cause}");
        return run;
    }

    /// <summary>As its owner's page shows it.</summary>
    public async Task<WorkspaceView> ViewAsync(LaunchRequest order) =>
        (await It.Site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel)).ShouldNotBeNull();

    /// <summary>The project holds exactly what these workspaces need, one of each, and so do the rows.</summary>
    public async Task CheckAsync(params LaunchRequest[] ready)
    {
        await using var db = It.Database.Open();
        var ids = ready.Select(o => o.Id).Order().ToList();
        var keys = await db.Workspaces.Where(w => ids.Contains(w.Id)).Select(w => new StackKey(w.Id, w.Generation)).ToListAsync(Cancel);
        var (names, nova) = (Lab.Mine.Names, Lab.Mine.Nova);
        (await Lab.Mine.Heat.StacksAsync(names.Ours, Cancel)).Select(s => names.KeyOf(s)!).ShouldBe(keys, ignoreOrder: true, "stacks");
        var servers = (await nova.ServersAsync(Cancel)).Where(s => names.KeyOf(s) is not null).ToList();
        servers.Select(s => names.KeyOf(s)!).ShouldBe(keys, ignoreOrder: true, "servers");
        foreach (var server in servers)
            (await ContainersAsync(server)).ShouldBe(1, "containers on a server");
        (await Lab.Storage.Mine.Shares.AccessAsync(Cancel)).Select(a => new StackKey(a.Workspace, a.Generation)).ShouldBe(keys, ignoreOrder: true, "rules");
        (await NetworksAsync()).ShouldBe(ids.Count, "networks");
        (await db.Subnets.Where(s => s.ReleasedAt == null).Select(s => s.WorkspaceId).ToListAsync(Cancel)).ShouldBe(ids, ignoreOrder: true, "addresses");
        (await db.CapacityClaims.Where(c => c.EndedAt == null).Select(c => c.WorkspaceId).ToListAsync(Cancel)).ShouldBe(ids, ignoreOrder: true, "room");
        (await db.Reservations.Where(r => r.EndedAt == null && r.Kind == ReservationKind.Compute).Select(r => r.WorkspaceId!.Value).ToListAsync(Cancel))
            .ShouldBe(ids, ignoreOrder: true, "quota");
    }

    /// <summary>The same for none; the last of a network goes a moment after Heat has said that it is gone.</summary>
    /// <param name="ready">What stays.</param>
    public Task LeavesNothingAsync(params LaunchRequest[] ready) => Eventually.SeesAsync(async () =>
    {
        try { await CheckAsync(ready); }
        catch (ShouldAssertException e) { return e.Message; }
        return "";
    }, left => left.Length == 0, "nothing else is left", seconds: 60);

    /// <summary>The server of a workspace's only node; null while there is none.</summary>
    internal async Task<NovaServer?> ServerAsync(LaunchRequest order) =>
        (await Lab.Mine.Nova.ServersAsync(Cancel)).SingleOrDefault(s => Lab.Mine.Names.KeyOf(s)?.Workspace == order.Id);

    /// <summary>The stack of a workspace; null while there is none.</summary>
    internal async Task<HeatStack?> StackAsync(LaunchRequest order) =>
        (await Lab.Mine.Heat.StacksAsync(Lab.Mine.Names.Ours, Cancel)).SingleOrDefault(s => Lab.Mine.Names.KeyOf(s)?.Workspace == order.Id);

    /// <summary>The share of the work folder of a workspace's owner; null while there is none.</summary>
    internal async Task<ManilaShare?> ShareAsync(LaunchRequest order)
    {
        var manila = Lab.Storage.Mine;
        return (await manila.Manila.SharesNamedAsync(manila.Names.NameOf(new FolderRef.Work(order.ClassId, order.Actor.PersonId)), Cancel)).SingleOrDefault();
    }

    /// <summary>Number of containers of the portal on a server; 0 before its certificate is pinned.</summary>
    internal async Task<int> ContainersAsync(NovaServer server)
    {
        if (ServerEngines.FingerprintOf(server) is not { } fingerprint) return 0;
        var at = new IPEndPoint(IPAddress.Parse(server.Address!), _engines!.GetRequiredService<ServerOptions>().EnginePort);
        using var engine = new ContainerEngine(new EngineAddress.Tls(at, fingerprint, _engines!.GetRequiredService<EngineKeys>().Client));
        return (await engine.ListAsync(new Owned(It.Lab.Id).Mine(workspace: null), Cancel)).Count;
    }

    public async ValueTask DisposeAsync()
    {
        if (It is not null) await It.DisposeAsync();
        if (_lab is not null) await _lab.DisposeAsync();
        if (_engines is not null) await _engines.DisposeAsync();
        Directory.Delete(_keys, recursive: true);
    }

    private async Task<int> NetworksAsync() => (await Lab.Storage.Mine.Networks.GetAsync("v2.0/networks", Cancel)).GetProperty("networks").EnumerateArray()
        .Count(n => n.GetProperty("name").GetString()!.Contains(It.Lab.Id, StringComparison.Ordinal));
}
