using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Clouds;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Two kits on one real container engine, two tenants, and one kit that loses its connection.</summary>
public sealed class TwoKitsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Kits_OnOneEngine_OneOfThemBroken_TheOtherGoesOn()
    {
        await using var relay = SocketRelay.Start(CloudLab.Variable("PORTAL_TEST_CONTAINER_ENGINE"));
        await using var biology = CloudLab.Open();
        await using var chemistry = CloudLab.Open(("Clouds:Docker:Socket", relay.Path), ("Clouds:Docker:Pool", "10.215.0.0/16"));
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 0, new(8, 8192, 10, 10), Cancel);
        var (ada, alan, much) = (TestSite.NewId(), TestSite.NewId(), new Amounts(100, 100_000, 0, 0));
        var inBiology = await site.OtherCloudAsync("biology", much, Cancel, ada);
        var inChemistry = await site.OtherCloudAsync("chemistry", much, Cancel, alan);
        await database.ExecuteAsync($"update portal.images set reference = {await biology.PythonAsync()} where name = 'python'", Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), [biology.Kit("biology"), chemistry.Kit("chemistry")],
            TimeSpan.FromSeconds(10));
        var first = await LaunchAsync(site, ada, inBiology);
        var second = await LaunchAsync(site, alan, inChemistry);
        await jobs.UntilSettledAsync(Cancel, TimeSpan.FromMinutes(2));
        await using (var db = database.Open())
            (await db.Runs.AsNoTracking().Where(r => r.Cause != null).Select(r => r.Cause).ToListAsync(Cancel)).ShouldBeEmpty();
        (await StatusAsync(site, ada, first), await StatusAsync(site, alan, second)).ShouldBe((WorkspaceStatus.Ready, WorkspaceStatus.Ready));
        (await biology.Clusters.LookAsync(second, Cancel)).ShouldBeNull("each kit sees only what is its own");

        await relay.CutAsync();
        var stuck = await LaunchAsync(site, alan, inChemistry);
        var third = await LaunchAsync(site, ada, inBiology);
        await Until.TrueAsync("biology launches", async () =>
        {
            await jobs.ClaimAsync(Cancel);
            return await StatusAsync(site, ada, third) is WorkspaceStatus.Ready;
        }, Cancel, TimeSpan.FromMinutes(1));
        (await jobs.Get<CloudHealth>().LookAsync(Cancel)).ShouldBeFalse();
        await using (var db = database.Open())
        {
            var pools = await db.Pools.AsNoTracking().ToDictionaryAsync(p => p.Key, Cancel);
            (pools["biology"].Clusters.Ok, pools["chemistry"].Clusters.Ok, pools["chemistry"].Storage.Ok).ShouldBe((true, false, true));
        }

        relay.Restore();
        foreach (var (person, id) in new[] { (ada, first), (ada, third), (alan, second), (alan, stuck) })
            (await site.Get<DeleteWorkspace>().RunAsync(new(person), id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel, TimeSpan.FromMinutes(3));
        (await biology.Clusters.LookAsync(Cancel)).ShouldBeEmpty();
        (await chemistry.Clusters.LookAsync(Cancel)).ShouldBeEmpty();
    }

    private static async Task<WorkspaceStatus> StatusAsync(TestSite site, Guid person, Guid id) =>
        (await site.Get<WorkspaceFeed>().LookAsync(new(person), id, Cancel))!.Status;

    private static async Task<Guid> LaunchAsync(TestSite site, Guid person, Guid @class)
    {
        var order = site.Order(person) with { ClassId = @class };
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        return order.Id;
    }
}
