using Microsoft.EntityFrameworkCore;
using Portal.Core.Operations;
using Portal.Core.People;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Runs;
using Portal.TestKit;
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

        var seen = (await it.Site.Get<OperationsFeed>().WatchAsync(new(it.Site.Instructor), new(), cancellation.Token))!.Now!;

        var claimed = seen.Pools.ShouldHaveSingleItem().Claimed;
        (claimed.Workspaces, claimed.Vcpu, claimed.MemoryMib).ShouldBe((2, 6, 6 * 1024));
        (await it.Site.Get<OperationsFeed>().WatchAsync(new(it.Owner), new(), cancellation.Token)).ShouldBeNull();
        await cancellation.CancelAsync();
    }

    /// <summary>A lesson's launches, more than one page of them: nothing is left out or shown twice, and places are those in the whole queue.</summary>
    [Fact]
    public async Task Watch_MoreRunsThanOnePage_ArePagesInOrder()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(1000, 1_000_000, 1000, 1000), Cancel);
        for (var i = 0; i < 2 * OperationsFeed.PageLength + 10; i++)
            (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await database.ExecuteAsync($"update portal.runs set phase = 'Failed', cause = 'for the test' where id % 2 = 0", Cancel);
        await database.ExecuteAsync($"insert into portal.memberships (id, person_id, role) values ({TestSite.NewId()}, {site.Instructor}, 'Operator')", Cancel);
        long[] all;
        await using (var db = database.Open()) all = await db.Runs.OrderBy(r => r.Id).Select(r => r.Id).ToArrayAsync(Cancel);

        var (first, second) = (await LookAsync(new()), await LookAsync(new(After: all[99], Before: all[10])));

        first.Unfinished.Items.Select(r => r.Id).ShouldBe(all.Where(id => id % 2 == 1).Take(OperationsFeed.PageLength));
        first.Unfinished.Next.ShouldBe($"{first.Unfinished.Items[^1].Id}");
        first.Unfinished.Items.Select(r => r.Place).ShouldBe(Enumerable.Range(1, OperationsFeed.PageLength).Select(n => (int?)n));
        first.UnfinishedInAll.ShouldBe(all.Count(id => id % 2 == 1));
        first.Failures.Items.Select(r => r.Id).ShouldBe(all.Reverse().Where(id => id % 2 == 0).Take(OperationsFeed.PageLength));
        second.Unfinished.Items.Select(r => r.Id).ShouldBe(all.Where(id => id % 2 == 1 && id > all[99]));
        second.Unfinished.Next.ShouldBeNull();
        second.Unfinished.Items[0].Place.ShouldBe(all.Count(id => id % 2 == 1 && id <= all[99]) + 1);
        second.UnfinishedInAll.ShouldBe(first.UnfinishedInAll);
        second.Failures.Items.Select(r => r.Id).ShouldBe(all.Reverse().Where(id => id % 2 == 0 && id < all[10]));
        second.Failures.Next.ShouldBeNull();

        async Task<OperationsView> LookAsync(OperationsPlace place)
        {
            using var leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
            var seen = (await site.Get<OperationsFeed>().WatchAsync(new(site.Instructor), place, leave.Token))!.Now!;
            await leave.CancelAsync();
            return seen;
        }
    }
}
