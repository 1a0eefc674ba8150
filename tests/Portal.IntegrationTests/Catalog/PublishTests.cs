using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Portal.Jobs.Catalog;
using Portal.TestKit;

namespace Portal.IntegrationTests.Catalog;

/// <summary>Folders become versions without a restart; broken or incomplete ones are reported and affect nothing else.</summary>
public sealed class PublishTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Look_OneFileBroken_OthersArePublishedAndTheFaultGoesWhenMended()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "good");
        TestCatalog.Write(catalog.Shipped, "bad", TestCatalog.Yaml("bad").Replace("vcpu: 1", "vcpu: many", StringComparison.Ordinal));
        await catalog.Publisher.RunAsync(Cancel);

        (await catalog.OfferedAsync(Cancel)).Select(t => t.TemplateId).ShouldBe(["good"]);
        var fault = (await catalog.FaultsAsync(Cancel)).ShouldHaveSingleItem();
        (fault.File, fault.Line, fault.Field).ShouldBe(("bad/template.yaml", 6L, "sizes[0].vcpu"));
        fault.Reason.ShouldContain("whole number");

        TestCatalog.Write(catalog.Shipped, "bad");
        (await catalog.Publisher.RunAsync(Cancel)).ShouldBeEmpty();
        (await catalog.FaultsAsync(Cancel)).ShouldBeEmpty();
        (await catalog.OfferedAsync(Cancel)).Select(t => t.TemplateId).ShouldBe(["bad", "good"]);
    }

    [Fact]
    public async Task Look_PublishedTemplateBreaks_TheVersionBeforeStays()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "one");
        await catalog.Publisher.RunAsync(Cancel);
        var before = (await catalog.OfferedAsync(Cancel)).Single();
        TestCatalog.Write(catalog.Shipped, "one", "id: [");
        (await catalog.Publisher.RunAsync(Cancel)).ShouldHaveSingleItem();
        catalog.Restart();
        (await catalog.Publisher.RunAsync(Cancel)).ShouldHaveSingleItem();
        (await catalog.OfferedAsync(Cancel)).Single().Id.ShouldBe(before.Id);
    }

    [Fact]
    public async Task Look_ContentChangesAndComesBack_VersionsAreByContent()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "one");
        await catalog.Publisher.RunAsync(Cancel);
        var first = (await catalog.OfferedAsync(Cancel)).Single();
        TestCatalog.Write(catalog.Shipped, "one", file: "examples/a.ipynb", content: "{}");
        await catalog.Publisher.RunAsync(Cancel);
        var second = (await catalog.OfferedAsync(Cancel)).Single();
        second.Id.ShouldNotBe(first.Id);
        new TemplateStore(catalog.Store).Examples(second)!.ShouldStartWith(catalog.Store);
        new TemplateStore(catalog.Store).Examples(first).ShouldBeNull();
        Directory.Delete(Path.Combine(catalog.Shipped, "one", "examples"), recursive: true);
        await catalog.Publisher.RunAsync(Cancel);
        (await catalog.OfferedAsync(Cancel)).Single().Id.ShouldBe(first.Id);
        File.ReadAllText(Path.Combine(catalog.Store, second.Hash, "examples", "a.ipynb")).ShouldBe("{}");
    }

    [Fact]
    public async Task Look_FolderBeingCopied_WaitsUntilItStandsStill()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Added, "mine", TestCatalog.Yaml("mine")[..60]);
        await catalog.Publisher.RunAsync(Cancel);
        for (var i = 0; i < 3; i++)
        {
            TestCatalog.Write(catalog.Added, "mine", file: $"examples/{i}.ipynb", content: "{}");
            (await catalog.Publisher.RunAsync(Cancel)).ShouldBeEmpty("half a file is no fault while it is being written");
            (await catalog.OfferedAsync(Cancel)).ShouldBeEmpty();
        }
        TestCatalog.Write(catalog.Added, "mine");
        await catalog.LookTwiceAsync(Cancel);
        var version = (await catalog.OfferedAsync(Cancel)).ShouldHaveSingleItem();
        Directory.GetFiles(Path.Combine(catalog.Store, version.Hash, "examples")).Length.ShouldBe(3);
    }

    [Fact]
    public async Task Look_FolderUnavailable_RetiresNothing_FolderOfATemplateGone_RetiresIt()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "one");
        TestCatalog.Write(catalog.Added, "mine");
        TestCatalog.Write(catalog.Added, "other");
        await catalog.LookTwiceAsync(Cancel);
        Directory.Move(catalog.Added, catalog.Added + "-away");
        (await catalog.Publisher.RunAsync(Cancel)).ShouldHaveSingleItem().File.ShouldBe(catalog.Added);
        (await catalog.OfferedAsync(Cancel)).Count.ShouldBe(3);
        Directory.Move(catalog.Added + "-away", catalog.Added);
        Directory.Delete(Path.Combine(catalog.Added, "mine"), recursive: true);
        (await catalog.Publisher.RunAsync(Cancel)).ShouldBeEmpty();
        (await catalog.OfferedAsync(Cancel)).Select(t => t.TemplateId).ShouldBe(["one", "other"]);
        // A restart forgets which folders were unchanged, and must not retire anything because of that.
        catalog.Restart();
        await catalog.Publisher.RunAsync(Cancel);
        (await catalog.OfferedAsync(Cancel)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Look_NameOfAShippedTemplate_IsAFaultAndTheShippedOneStays()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "one", TestCatalog.Yaml("one", "Ours"));
        TestCatalog.Write(catalog.Added, "one", TestCatalog.Yaml("one", "Theirs"));
        TestCatalog.Write(catalog.Added, "two", TestCatalog.Yaml("one", "Theirs"));
        var faults = await catalog.LookTwiceAsync(Cancel);
        faults.Select(f => f.File).ShouldBe([Path.Combine(catalog.Added, "one/template.yaml"), Path.Combine(catalog.Added, "two/template.yaml")],
            ignoreOrder: true);
        faults.ShouldAllBe(f => f.Field == "id");
        (await catalog.OfferedAsync(Cancel)).Single().Spec.Title.ShouldBe("Ours");
    }

    [Fact]
    public async Task Look_LinksPipesAndTooMuch_AreNoPartOfATemplate()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "one");
        File.CreateSymbolicLink(Path.Combine(catalog.Shipped, "one", "secret"), "/etc/passwd");
        Directory.CreateSymbolicLink(Path.Combine(catalog.Shipped, "one", "all"), "/etc");
        (await PipeAsync(Path.Combine(catalog.Shipped, "one", "pipe"))).ShouldBe(0);
        Directory.CreateSymbolicLink(Path.Combine(catalog.Shipped, "linked"), Path.Combine(catalog.Shipped, "one"));
        TestCatalog.Write(catalog.Shipped, "large");
        await using (var hole = File.Create(Path.Combine(catalog.Shipped, "large", "data"))) hole.SetLength(TemplateStore.MostBytes + 1L);
        TestCatalog.Write(catalog.Shipped, "piped", file: "guide.md", content: "x");
        (await PipeAsync(Path.Combine(catalog.Shipped, "piped", "template.yaml"))).ShouldBe(0);

        var faults = await catalog.Publisher.RunAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancel);
        faults.Select(f => f.File).Order(StringComparer.Ordinal).ShouldBe(["large/template.yaml", "linked/template.yaml", "piped/template.yaml"]);
        var version = (await catalog.OfferedAsync(Cancel)).ShouldHaveSingleItem();
        Directory.GetFileSystemEntries(Path.Combine(catalog.Store, version.Hash))
            .Select(Path.GetFileName)
            .Order(StringComparer.Ordinal)
            .ShouldBe(["pipe", "template.yaml"]);
        Directory.GetDirectories(catalog.Store).Length.ShouldBe(1);
    }

    /// <summary>The database ends idle transactions, and an operator's folder may be on a slow disk.</summary>
    [Fact]
    public async Task Look_NewFolder_IsReadToItsEndBeforeTheTransactionBegins()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "one");
        var read = new List<bool>();
        catalog.OnTransaction = () =>
            read.Add(Directory.Exists(catalog.Store)
                && Directory.GetDirectories(catalog.Store) is [var only]
                && !only.EndsWith(".new", StringComparison.Ordinal));

        await catalog.Publisher.RunAsync(Cancel);

        read.ShouldBe([true]);
        (await catalog.OfferedAsync(Cancel)).Select(t => t.TemplateId).ShouldBe(["one"]);
    }

    [Fact]
    public async Task Look_NothingChanged_TellsNobody()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        TestCatalog.Write(catalog.Shipped, "one");
        TestCatalog.Write(catalog.Shipped, "bad", "id: [");
        await catalog.LookTwiceAsync(Cancel);
        await using var listening = new NpgsqlConnection(catalog.Database.Admin);
        await listening.OpenAsync(Cancel);
        var told = 0;
        listening.Notification += (_, _) => told++;
        await using (var listen = new NpgsqlCommand("listen portal_changes", listening)) await listen.ExecuteNonQueryAsync(Cancel);
        await catalog.LookTwiceAsync(Cancel);
        await using (var ask = new NpgsqlCommand("select 1", listening)) await ask.ExecuteNonQueryAsync(Cancel);
        told.ShouldBe(0);
        TestCatalog.Write(catalog.Shipped, "bad");
        await catalog.Publisher.RunAsync(Cancel);
        await using (var ask = new NpgsqlCommand("select 1", listening)) await ask.ExecuteNonQueryAsync(Cancel);
        told.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task IfChanged_NothingChanged_ReadsNoRowsForAMinute_AChangedFileIsPublishedAtOnce()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        catalog.RestartWith(clock);
        TestCatalog.Write(catalog.Shipped, "one");
        await catalog.Publisher.RunIfChangedAsync(Cancel);
        var transactions = 0;
        catalog.OnTransaction = () => transactions++;
        await catalog.Database.ExecuteAsync($"update portal.template_versions set retired = true", Cancel);

        clock.Advance(TimeSpan.FromSeconds(59));
        await catalog.Publisher.RunIfChangedAsync(Cancel);
        (transactions, (await catalog.OfferedAsync(Cancel)).Count).ShouldBe((0, 0));
        clock.Advance(TimeSpan.FromSeconds(1));
        await catalog.Publisher.RunIfChangedAsync(Cancel);
        (transactions, (await catalog.OfferedAsync(Cancel)).Count).ShouldBe((1, 1));

        TestCatalog.Write(catalog.Shipped, "one", TestCatalog.Yaml("one", "Another title"));
        await catalog.Publisher.RunIfChangedAsync(Cancel);
        (await catalog.OfferedAsync(Cancel)).Single().Spec.Title.ShouldBe("Another title");
    }

    [Fact]
    public async Task Watch_FolderAddedWhileItRuns_IsPublishedWithoutARestart()
    {
        await using var catalog = await TestCatalog.OpenAsync(Cancel);
        using var watch = new CatalogWatch(catalog.Publisher, catalog.Folders, TimeProvider.System, NullLogger<CatalogWatch>.Instance);
        await watch.StartAsync(Cancel);
        TestCatalog.Write(catalog.Added, "mine");
        await Until.TrueAsync("the added template is offered", async () => (await catalog.OfferedAsync(Cancel)).Any(t => t.TemplateId == "mine"), Cancel);
        Directory.Delete(Path.Combine(catalog.Added, "mine"), recursive: true);
        await Until.TrueAsync("the removed template is retired", async () => (await catalog.OfferedAsync(Cancel)).Count == 0, Cancel);
        await watch.StopAsync(Cancel);
    }

    private static async Task<int> PipeAsync(string path)
    {
        using var made = Process.Start("mkfifo", [path]);
        await made.WaitForExitAsync(Cancel);
        return made.ExitCode;
    }
}
