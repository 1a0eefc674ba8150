using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>A service of the rig is killed, as after a crash, and comes back later: what was asked of it goes on.</summary>
[Trait("Lane", "openstack"), Collection(nameof(Alone))]
public sealed class KilledServiceTests(OpenStackLab lab) : IClassFixture<OpenStackLab>
{
    private const long Gib = 1L << 30;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ManilaShare_KilledWhileAFolderAndItsRuleAreMade_BothAreMadeOnceItIsBack()
    {
        var (shares, filesets) = (lab.Mine.Shares, lab.Mine.Filesets);
        var (there, folder) = (new FolderRef.Work(CloudLab.New(), CloudLab.New()), new FolderRef.Work(CloudLab.New(), CloudLab.New()));
        var access = new ShareAccess(CloudLab.New(), 1, there);
        await Eventually.SeesAsync(() => filesets.EnsureAsync(there, 300_777, Gib, Cancel), a => a is EnsureAnswer.Done, "a folder is made", 60);
        await Rig.KillAsync("manila-share");

        for (var asked = 0; asked < 10; asked++)
        {
            (await filesets.EnsureAsync(folder, 300_777, Gib, Cancel)).ShouldBeOfType<EnsureAnswer.Working>();
            (await shares.AllowAsync(access, "198.51.100.0/27", Cancel)).ShouldBeOfType<AccessAnswer.Asked>();
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Cancel);
        }
        await Rig.UpAsync();

        await Eventually.SeesAsync(() => filesets.EnsureAsync(folder, 300_777, Gib, Cancel), a => a is EnsureAnswer.Done, "the folder is made", 90);
        await Eventually.SeesAsync(() => shares.AllowAsync(access, "198.51.100.0/27", Cancel), a => a is AccessAnswer.Active, "the rule is active", 90);
        (await filesets.UsageAsync(Cancel)).Count(u => u.Folder == folder).ShouldBe(1, "asked eleven times and more, there is one");
        await shares.DenyAsync(access, Cancel);
        await Eventually.SeesAsync(() => shares.AccessAsync(access.Workspace, Cancel), a => a.Count == 0, "the rule is gone", 60);
    }
}
