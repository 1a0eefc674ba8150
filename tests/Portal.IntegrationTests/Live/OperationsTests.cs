using Portal.Core.Operations;
using Portal.Core.People;
using Portal.IntegrationTests.Runs;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Live;

/// <summary>What an operator sees of the site.</summary>
public sealed class OperationsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Watch_ClusterOfManyNodes_IsOneWorkspaceThatRuns()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        await it.LaunchAsync(workers: 3);
        await it.LaunchAsync(workers: 1);
        await using (var db = it.Site.Database.Open())
        {
            db.Memberships.Add(new() { Id = TestSite.NewId(), PersonId = it.Site.Instructor, Role = MemberRole.Operator });
            await db.SaveChangesAsync(Cancel);
        }
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        var seen = (await it.Site.Get<OperationsFeed>().WatchAsync(new(it.Site.Instructor), cancellation.Token))!.Now!;

        var claimed = seen.Clouds.ShouldHaveSingleItem().Pools.ShouldHaveSingleItem().Claimed;
        (claimed.Workspaces, claimed.Vcpu, claimed.MemoryMib).ShouldBe((2, 6, 6 * 1024));
        (await it.Site.Get<OperationsFeed>().WatchAsync(new(it.Owner), cancellation.Token)).ShouldBeNull();
        await cancellation.CancelAsync();
    }
}
