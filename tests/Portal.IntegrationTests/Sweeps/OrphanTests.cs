using Portal.Core.Clouds;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Sweeps;

/// <summary>What late calls left of released and unknown workspaces is removed in the order of every release.</summary>
public sealed class OrphanTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(4);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static ScriptedClouds Clouds() => new((_, _) => Mood.Well);

    [Fact]
    public async Task Orphans_OfReleasedAndUnknownWorkspaces_GoInOrder_OthersStay()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var jobs = site.Process(clouds, Lease);
        var (runs, released, unknown) = (await SweepTests.ReadyAsync(site, jobs), await SweepTests.ReadyAsync(site, jobs), TestSite.NewId());
        (await site.Get<StopWorkspace>().RunAsync(new(site.Students[0]), released, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        foreach (var late in (Guid[])[released, unknown]) await LandAsync(clouds, site, late);

        // A workspace released a moment ago may still have a call in progress; an unknown one never has.
        var times = clouds.Times;
        clouds.Times = times with { Settled = TimeSpan.FromHours(1) };
        for (var i = 0; i < 3; i++) await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);
        clouds.LeftOf(unknown).ShouldBeEmpty();
        clouds.LeftOf(released).ShouldBe("nodes mount rule network");
        clouds.Times = times;
        for (var i = 0; i < 3; i++) await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);

        clouds.LeftOf(released).ShouldBeEmpty();
        clouds.Runs(runs).ShouldBeTrue();
        clouds.Broken.ShouldBeEmpty();
    }

    /// <summary>An address that is free while a rule still names it would give its next user access to these files.</summary>
    [Fact]
    public async Task Orphans_WhoseRuleGoesSlowly_KeepTheirNetworkUntilItIsSeenGone()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((what, _) => what is "deny" ? Mood.DeniesSlowly : Mood.Well) { SlowLooks = 8 };
        await using var jobs = site.Process(clouds, Lease);
        var unknown = TestSite.NewId();
        await LandAsync(clouds, site, unknown);

        var left = new List<string>();
        for (var i = 0; i < 12 && clouds.LeftOf(unknown).Length > 0; i++)
        {
            await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);
            left.Add(clouds.LeftOf(unknown));
        }

        clouds.Broken.ShouldBeEmpty();
        left.ShouldContain("rule network");
        left[^1].ShouldBeEmpty();
    }

    /// <summary>Storage may be away for hours and the sweep comes every half minute: as many failed jobs would hide the others.</summary>
    [Fact]
    public async Task Orphans_StorageUnavailable_WaitWithoutAFault_AndGoWhenItIsBack()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var jobs = site.Process(clouds, Lease);
        var unknown = TestSite.NewId();
        await LandAsync(clouds, site, unknown);
        clouds.StorageIsUnavailable = true;

        for (var i = 0; i < 3; i++) await jobs.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);

        clouds.LeftOf(unknown).ShouldBe("nodes mount rule network", "without storage nobody knows what is in use");
        clouds.StorageIsUnavailable = false;
        for (var i = 0; i < 3; i++) await jobs.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);
        clouds.LeftOf(unknown).ShouldBeEmpty();
        clouds.Broken.ShouldBeEmpty();
    }

    [Fact]
    public async Task Orphans_StorageGoesAwayInTheMiddle_NodesOfEachGoAndTheRestWaits()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var away = true;
        var clouds = new ScriptedClouds((what, _) => away && what is ("unmount" or "deny") ? Mood.Unavailable : Mood.Well);
        await using var jobs = site.Process(clouds, Lease);
        Guid[] unknown = [TestSite.NewId(), TestSite.NewId()];
        foreach (var id in unknown) await LandAsync(clouds, site, id);

        for (var i = 0; i < 3; i++) await jobs.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);

        unknown.Select(clouds.LeftOf).ShouldBe(["mount rule network", "mount rule network"]);
        away = false;
        for (var i = 0; i < 3; i++) await jobs.Get<Jobs.Sweeps.Sweeps>().OrphansAsync(Cancel);
        unknown.Select(clouds.LeftOf).ShouldBe(["", ""]);
        clouds.Broken.ShouldBeEmpty();
    }

    /// <summary>As a call by a dead process: storage allowed and nodes started for a workspace that is no longer wanted.</summary>
    internal static async Task LandAsync(ScriptedClouds clouds, TestSite site, Guid workspace)
    {
        await clouds.AllowAsync(new(workspace, 1, new FolderRef.Work(site.Class, site.Students[0])), "192.0.2.0/27", Cancel);
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        await clouds.EnsureAsync(
            new ClusterPlan(workspace, 1, "10.0.0.0/27", [new("notebook", "notebook", "sha256:test", 300_001, [], none, none, [], 1024, 1)]), Cancel);
    }

    /// <summary>Storage allowed for an unknown workspace, by one call.</summary>
    internal static Task<AccessAnswer> LeaveAsync(ScriptedClouds clouds, TestSite site, Guid workspace) =>
        clouds.AllowAsync(new(workspace, 1, new FolderRef.Work(site.Class, site.Students[0])), "192.0.2.0/27", Cancel);
}
