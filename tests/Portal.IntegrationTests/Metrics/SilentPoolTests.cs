using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Portal.Core.Catalog;
using Portal.Core.Metrics;
using Portal.Core.Quotas;
using Portal.Core.Workspaces;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Metrics;

/// <summary>Workspaces in one pool that do not answer: what is known of those in another pool does not wait for them.</summary>
public sealed class SilentPoolTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Watch_OnePoolIsSilent_TheCountsOfTheOtherAreWrittenBefore()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(100, 100_000, 100, 100), Cancel);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", new(100, 100_000, 0, 0), Cancel, physicist);
        var there = new ScriptedClouds((_, _) => Mood.Well);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), [there.Kit("physics")], TimeSpan.FromSeconds(4));
        await using var well = await FakeNotebook.StartAsync();
        await using var silent = await FakeNotebook.StartAsync();
        silent.Hangs = true;
        var here = await ReadyAsync(site, site.Order(site.Students[0]), well);
        var other = await ReadyAsync(site, site.Order(physicist) with { ClassId = physics }, silent);
        var ticks = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        using var watch = ActivatorUtilities.CreateInstance<SignalWatch>(jobs.Get<IServiceProvider>(), ticks);
        await watch.StartAsync(Cancel);

        await using var db = database.Open();
        await Until.TrueAsync("the counts here are written", () =>
        {
            ticks.Advance(Spans.RawCounts);
            return db.Counts.AnyAsync(c => c.WorkspaceId == here, Cancel);
        }, Cancel);
        (await db.Counts.AnyAsync(c => c.WorkspaceId == other, Cancel)).ShouldBeFalse("its server has not answered yet");
        await Until.TrueAsync("that it did not answer is written in the end", () => db.Counts.AnyAsync(c => c.WorkspaceId == other, Cancel), Cancel);
        await watch.StopAsync(Cancel);
    }

    /// <summary>Ready, with a server of its own.</summary>
    private static async Task<Guid> ReadyAsync(TestSite site, LaunchRequest order, FakeNotebook server)
    {
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        var version = TestSite.NewId();
        await using var db = site.Database.Open();
        var spec = TestSite.Spec with { Apps = [TestSite.Spec.Apps[0] with { Port = server.Port }] };
        db.TemplateVersions.Add(new() { Id = version, TemplateId = $"port-{server.Port}", Hash = version.ToString("n"), Spec = spec });
        db.Nodes.Add(new()
        {
            WorkspaceId = order.Id,
            Name = "notebook",
            Role = "notebook",
            Generation = 1,
            Running = true,
            Address = "127.0.0.1",
            SeenAt = TimeProvider.System.GetUtcNow()
        });
        await db.SaveChangesAsync(Cancel);
        await site.Database.ExecuteAsync($"update portal.runs set phase = 'Succeeded', ended_at = clock_timestamp() where workspace_id = {order.Id}", Cancel);
        await site.Database.ExecuteAsync($"update portal.workspaces set generation = 1, template_version_id = {version} where id = {order.Id}", Cancel);
        return order.Id;
    }
}
