using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Sweeps;

/// <summary>What somebody takes away in the cloud from a workspace that is up is said on its page, until it is there again.</summary>
public sealed class LostFolderTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, "Somebody removed this workspace's access to its work folder in the cloud, so programs that use files there fail or wait.")]
    [InlineData(false, "Somebody deleted the work folder of this workspace in the cloud, with the files in it.")]
    public async Task Access_TakenAway_IsSaidOnce_AndAStartGivesItBack(bool folderIsThere, string said)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var (mine, other) = (await SweepTests.ReadyAsync(site, jobs), await SweepTests.ReadyAsync(site, jobs));
        var folder = new FolderRef.Work(site.Class, site.Students[0]);
        if (folderIsThere) clouds.Folders = [new(site.Class, folder, 1, 1 << 30)];
        await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);
        (await ViewAsync(mine)).Status.ShouldBe(WorkspaceStatus.Ready, "nothing is missing");

        await jobs.Kit.Shares.UnmountAsync(new(mine, 1, folder), Cancel);
        await jobs.Kit.Shares.DenyAsync(new(mine, 1, folder), Cancel);
        for (var i = 0; i < 2; i++) await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);

        var view = await ViewAsync(mine);
        (view.Status, view.Run.Cause).ShouldBe((WorkspaceStatus.Attention, said));
        view.Log.Count(l => l.Text == $"{said} {view.Run.Remedy}").ShouldBe(1);
        (await ViewAsync(other)).Status.ShouldBe(WorkspaceStatus.Ready);

        (await site.Get<StartWorkspace>().RunAsync(new(site.Students[0]), mine, null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);
        view = await ViewAsync(mine);
        (view.Status, view.Run.Kind, view.Run.Cause).ShouldBe((WorkspaceStatus.Ready, RunKind.Start, null));

        async Task<WorkspaceView> ViewAsync(Guid id) =>
            (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), id, Cancel)).ShouldNotBeNull();
    }

    [Fact]
    public async Task Access_GivenBack_IsNoLongerMissing()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var id = await SweepTests.ReadyAsync(site, jobs);
        var access = new ShareAccess(id, 1, new FolderRef.Work(site.Class, site.Students[0]));
        await jobs.Kit.Shares.UnmountAsync(access, Cancel);
        await jobs.Kit.Shares.DenyAsync(access, Cancel);
        await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);
        (await StatusAsync()).ShouldBe(WorkspaceStatus.Attention);

        await jobs.Kit.Shares.AllowAsync(access, "192.0.2.0/27", Cancel);
        await jobs.Get<Orphans>().RunAsync(jobs.Kit, Cancel);
        (await StatusAsync()).ShouldBe(WorkspaceStatus.Ready);

        async Task<WorkspaceStatus> StatusAsync() => (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), id, Cancel))!.Status;
    }

    /// <summary>A stop that was ordered during the look removes the access itself.</summary>
    [Fact]
    public async Task Access_GoneBecauseOfAStop_IsNotMissing()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var id = await SweepTests.ReadyAsync(site, jobs);
        var lost = jobs.Get<LostFolders>();
        var up = await lost.UpAsync(jobs.Kit, Cancel);
        (await site.Get<StopWorkspace>().RunAsync(new(site.Students[0]), id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);

        await lost.TellAsync(jobs.Kit, up, [], Cancel);

        var view = (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), id, Cancel))!;
        (view.Status, view.Run.Cause).ShouldBe((WorkspaceStatus.Stopped, null));
        view.Log.ShouldAllBe(l => l.Severity != LogLineSeverity.Fail);
        (await lost.UpAsync(jobs.Kit, Cancel)).ShouldBeEmpty();
    }
}
