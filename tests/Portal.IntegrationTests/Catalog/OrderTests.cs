using Portal.Core.Catalog;
using Portal.Core.Offers;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Catalog;

/// <summary>The notebook first, then what is used most, then by name.</summary>
public sealed class OrderTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Catalogue_Ordered_BeginsWithTheNotebookAndGoesByUse()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(100, 100_000, 100, 100), Cancel);
        foreach (var (id, title) in ((string, string)[])[("a", "Anvil"), ("b", "Bellows"), ("z", "Zeppelin")])
            await site.PublishAsync(TestSite.Spec with { Id = id, Title = title }, Cancel);
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]) with { TemplateId = "z" }, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        var catalog = await site.Get<CatalogFeed>().ReadAsync(new(site.Students[0]), Cancel);

        catalog.Cards.Select(c => c.Spec.Id).ShouldBe(["notebook", "z", "a", "b"]);
    }
}
