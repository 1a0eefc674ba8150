using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Catalog;

/// <summary>A workspace keeps the version that it was made from until its owner takes the newest.</summary>
public sealed class VersionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Start_AfterANewVersion_KeepsTheOldOneAndOffersTheNewestUntilThatIsWanted()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        await using var site = await TestSite.CreateAsync(catalog.Database, 1, new(8, 8192, 10, 10), Cancel);
        TestCatalog.Write(catalog.Shipped, "notebook", TestCatalog.Yaml("notebook", "First"));
        await catalog.Publisher.RunAsync(Cancel);
        var first = (await catalog.OfferedAsync(Cancel)).Single();
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        (await VersionAsync(catalog, order.Id)).ShouldBe(first.Id);
        (await NewerAsync()).ShouldBeNull();

        TestCatalog.Write(catalog.Shipped, "notebook", TestCatalog.Yaml("notebook", "Second"));
        await catalog.Publisher.RunAsync(Cancel);
        var second = (await catalog.OfferedAsync(Cancel)).Single();
        second.Id.ShouldNotBe(first.Id);
        await using (var db = catalog.Database.Open()) (await db.TemplateVersions.SingleAsync(t => t.Id == first.Id, Cancel)).Spec.Title.ShouldBe("First");
        (await NewerAsync()).ShouldBe("Second");

        foreach (var (newest, expected) in new[] { (false, first.Id), (true, second.Id), (false, second.Id) })
        {
            (await site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
            await jobs.UntilSettledAsync(Cancel);
            (await site.Get<StartWorkspace>().RunAsync(order.Actor, order.Id, new(NewestVersion: newest), Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
            await jobs.UntilSettledAsync(Cancel);
            (await VersionAsync(catalog, order.Id)).ShouldBe(expected);
            (await NewerAsync()).ShouldBe(expected == first.Id ? "Second" : null);
        }

        async Task<string?> NewerAsync() => (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!.Newer?.Title;
    }

    private static async Task<Guid> VersionAsync(TestCatalog catalog, Guid workspace)
    {
        await using var db = catalog.Database.Open();
        return (await db.Workspaces.AsNoTracking().SingleAsync(w => w.Id == workspace, Cancel)).TemplateVersionId;
    }
}
