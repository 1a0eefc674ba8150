using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Sweeps;

/// <summary>What the sweep writes about the health of a pool and the usage of its folders.</summary>
public sealed class UsageTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(4);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static ScriptedClouds Clouds() => new((_, _) => Mood.Well);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Usage_WhetherTheEngineAnswersOrNot_IsReadAndHealthIsTold(bool engineUnavailable)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var jobs = site.Process(clouds, Lease);
        var id = await SweepTests.ReadyAsync(site, jobs);
        clouds.ContainerEngineIsUnavailable = engineUnavailable;
        clouds.Folders = [new(site.Class, null, 9 << 20, 1 << 30),
            new(site.Class, new FolderRef.Scratch(site.Class, id, "notebook"), 2 << 20, 1 << 30),
            .. site.Students.Select((s, i) => new FilesetUsage(site.Class, new FolderRef.Work(site.Class, s), i == 0 ? 7 << 20 : 1 << 20, 1 << 30))];

        await jobs.Get<Usage>().RunAsync(jobs.Kit, Cancel);

        await using var db = database.Open();
        var folder = await db.WorkFolders.SingleAsync(Cancel);
        folder.UsedBytes.ShouldBe(7 << 20);
        folder.SeenAt.ShouldNotBeNull();
        (await db.Nodes.SingleAsync(Cancel)).ScratchBytes.ShouldBe(2 << 20);
        var pool = await db.Pools.SingleAsync(Cancel);
        pool.StorageWrittenBytes.ShouldBe(9 << 20, "a share's figure already includes the scratch folders");
        pool.Title.ShouldBe(LocalCloud.Title, "it was written");
        pool.Clusters.Ok.ShouldBe(!engineUnavailable);
        pool.Storage.Ok.ShouldBeTrue();
    }

    /// <summary>What the storage does not report is unknown, not nothing, and counts as taken in full.</summary>
    [Fact]
    public async Task Usage_NotReported_IsNullAndAllThatWasSetAsideCountsAsTaken()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var jobs = site.Process(clouds, Lease);
        var id = await SweepTests.ReadyAsync(site, jobs);
        await using var db = database.Open();
        (await db.WorkFolders.AsNoTracking().SingleAsync(Cancel)).UsedBytes.ShouldBeNull("nobody has looked");
        var work = new FolderRef.Work(site.Class, site.Students[0]);
        clouds.Folders = [new(site.Class, null, 5 << 20, 1 << 30), new(site.Class, work, 5 << 20, 1 << 30),
            new(site.Class, new FolderRef.Scratch(site.Class, id, "notebook"), 2 << 20, 1 << 30)];
        await jobs.Get<Usage>().RunAsync(jobs.Kit, Cancel);
        clouds.Folders = [.. clouds.Folders.Select(f => f with { UsedBytes = null })];

        await jobs.Get<Usage>().RunAsync(jobs.Kit, Cancel);

        var folder = await db.WorkFolders.AsNoTracking().SingleAsync(Cancel);
        (folder.UsedBytes, folder.SeenAt.HasValue).ShouldBe((null, true));
        (await db.Nodes.AsNoTracking().SingleAsync(Cancel)).ScratchBytes.ShouldBeNull();
        (await db.Pools.AsNoTracking().SingleAsync(Cancel)).StorageWrittenBytes.ShouldBe(1 << 30);
    }

    /// <summary>Every statement on the pools' rows makes the pages read them, even one that changes nothing.</summary>
    [Fact]
    public async Task Usage_SameAgain_WritesThePoolOnceForItsHealthAndNotForItsStorage()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        clouds.Folders = [new(site.Class, null, 9 << 20, 1 << 30)];
        await using var jobs = site.Process(clouds, Lease);
        var (usage, kit) = (jobs.Get<Usage>(), jobs.Get<CloudKits>().Of(LocalCloud.Key));
        await usage.RunAsync(kit, Cancel);
        await using var admin = NpgsqlDataSource.Create(database.Admin);
        await using var connection = await admin.OpenConnectionAsync(Cancel);
        var heard = new List<string>();
        connection.Notification += (_, e) => heard.Add(e.Payload);
        await ListenAsync($"listen {Core.Live.Changes.Channel}");

        await usage.RunAsync(kit, Cancel);
        clouds.Folders = [new(site.Class, null, 8 << 20, 1 << 30)];
        await ListenAsync("notify portal_changes, 'again'");
        await usage.RunAsync(kit, Cancel);
        await ListenAsync("notify portal_changes, 'end'");

        heard.ShouldBe(["clouds", "again", "clouds", "clouds", "end"]);

        async Task ListenAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(Cancel);
        }
    }

    [Fact]
    public async Task Usage_StorageUnavailable_KeepsWhatWasSeenAndSaysWhy()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = Clouds();
        await using var jobs = site.Process(clouds, Lease);
        await SweepTests.ReadyAsync(site, jobs);
        clouds.Folders = [new(site.Class, new FolderRef.Work(site.Class, site.Students[0]), 7 << 20, 1 << 30)];
        await jobs.Get<Usage>().RunAsync(jobs.Kit, Cancel);
        clouds.IsUnavailable = true;

        await jobs.Get<Usage>().RunAsync(jobs.Kit, Cancel);

        await using var db = database.Open();
        (await db.WorkFolders.SingleAsync(Cancel)).UsedBytes.ShouldBe(7 << 20);
        var storage = (await db.Pools.SingleAsync(Cancel)).Storage;
        storage.Ok.ShouldBeFalse();
        storage.Message.ShouldContain("away");
        storage.Remedy.ShouldNotBeNullOrEmpty();
    }
}
