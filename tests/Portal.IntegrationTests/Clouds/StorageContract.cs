using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>What the steps rely on, whatever the storage: the same tests run on btrfs and on a real Manila.</summary>
public abstract class StorageContract
{
    protected const long Gib = 1L << 30;
    protected const int Uid = 300_777;

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected abstract IShareCloud Shares { get; }
    protected abstract IFilesetCloud Filesets { get; }

    /// <summary>Whether it makes folders smaller; others say how large they stay.</summary>
    protected abstract bool Shrinks { get; }

    /// <summary>Whether it reports what folders hold.</summary>
    protected abstract bool ReportsUsage { get; }

    /// <summary>Whether a workspace that mounts a folder has it on this host.</summary>
    protected abstract bool MountsHere { get; }

    [Fact]
    public async Task Prepare_TellsRoom()
    {
        var report = await Shares.PrepareAsync(Cancel);

        report.BlocksEnforced.ShouldBeTrue();
        report.TotalBytes.ShouldBeGreaterThan(0);
        report.FreeBytes.ShouldBeInRange(0, report.TotalBytes);
        report.Summary.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Ensure_TwiceAndAtOnce_MakesOneFolder()
    {
        var folder = New();
        await EnsureAsync(folder, Gib);
        (await Filesets.EnsureAsync(folder, Uid, Gib, Cancel)).ShouldBe(EnsureAnswer.IsDone);
        (await Filesets.EnsureAsync(folder, Uid, Gib, Cancel)).ShouldBe(EnsureAnswer.IsDone);

        var usage = (await Filesets.UsageAsync(Cancel)).Where(u => u.ClassId == folder.Class).ToList();

        usage.Single(u => u.Folder == folder).LimitBytes.ShouldBe(Gib);
        usage.Where(u => u.IsShare).ShouldHaveSingleItem();
        usage.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Usage_OfAFolder_IsANumberOnlyIfTheStorageReportsIt()
    {
        var folder = New();
        await EnsureAsync(folder, Gib);

        var usage = (await Filesets.UsageAsync(Cancel)).Where(u => u.ClassId == folder.Class).ToList();

        usage.ShouldAllBe(u => u.UsedBytes.HasValue == ReportsUsage);
        if (!ReportsUsage) usage.ShouldAllBe(u => u.TakenBytes == u.LimitBytes);
    }

    [Fact]
    public async Task Limits_RaisedAndLowered_AreReadBack()
    {
        var folder = New();
        await EnsureAsync(folder, Gib);

        await EnsureAsync(folder, 3 * Gib);
        (await LimitAsync(folder)).ShouldBe(3 * Gib);

        await EnsureAsync(folder, 2 * Gib);
        (await LimitAsync(folder)).ShouldBe(Shrinks ? 2 * Gib : 3 * Gib);
    }

    [Fact]
    public async Task Rule_FromAskedToGone_IsListedAsLongAsItExists()
    {
        var access = await FolderAsync();
        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBeEmpty();

        var source = await AllowAsync(access);

        source.ShouldBe(await AllowAsync(access), "asked again, it is the same");
        (source is MountSource.HostPath).ShouldBe(MountsHere);
        if (source is MountSource.Export export) (export.Location.Length > 0 && export.SubPath.Length > 0).ShouldBeTrue();
        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBe([access]);
        (await Shares.AccessAsync(Cancel)).ShouldContain(access);

        await DenyAsync(access);

        (await Shares.AccessAsync(Cancel)).ShouldNotContain(access);
        (await Shares.DenyAsync(access, Cancel)).ShouldBeOfType<AccessAnswer.Gone>("denied again, it is still gone");
        (await LimitAsync((FolderRef.Work)access.Folder)).ShouldBe(Gib, "the folder stays");
    }

    /// <summary>No network, server or anything else with these addresses exists.</summary>
    [Fact]
    public async Task Rules_OfSeveralWorkspaces_AreOfEachAlone()
    {
        var one = await FolderAsync();
        var other = one with { Workspace = CloudLab.New(), Generation = 4 };
        await AllowAsync(one, "198.51.100.0/27");
        await AllowAsync(other, "198.51.100.32/27");

        (await Shares.AccessAsync(one.Workspace, Cancel)).ShouldBe([one]);
        (await Shares.AccessAsync(other.Workspace, Cancel)).ShouldBe([other]);

        await DenyAsync(one);

        (await Shares.AccessAsync(other.Workspace, Cancel)).ShouldBe([other]);
        (await Shares.AllowAsync(other, "198.51.100.32/27", Cancel)).ShouldBeOfType<AccessAnswer.Active>();
        await DenyAsync(other);
    }

    [Fact]
    public async Task Unknown_IsMissingOrGone()
    {
        var access = new ShareAccess(CloudLab.New(), 1, New());

        (await Should.ThrowAsync<CloudException>(() => Shares.AllowAsync(access, "198.51.100.0/27", Cancel))).Fault.ShouldBe(CloudFault.Missing);
        (await Shares.DenyAsync(access, Cancel)).ShouldBeOfType<AccessAnswer.Gone>();
        await Shares.UnmountAsync(access, Cancel);
        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBeEmpty();
        (await Filesets.ScratchAsync(access.Workspace, Cancel)).ShouldBeEmpty();
        await Filesets.RemoveScratchAsync(new(CloudLab.New(), access.Workspace, "worker0"), Cancel);
    }

    protected static FolderRef.Work New() => new(CloudLab.New(), CloudLab.New());

    /// <summary>A new folder of 1 GiB, and access to it that nobody has asked for.</summary>
    protected async Task<ShareAccess> FolderAsync()
    {
        var folder = New();
        await EnsureAsync(folder, Gib);
        return new(CloudLab.New(), 1, folder);
    }

    /// <summary>As the step does it: asked until done.</summary>
    protected async Task EnsureAsync(FolderRef.Work folder, long limit)
    {
        await Shares.EnsureShareAsync(folder.Class, 8 * Gib, Cancel);
        await Eventually.SeesAsync(() => Filesets.EnsureAsync(folder, Uid, limit, Cancel), a => a is EnsureAnswer.Done, "the folder is made", 60);
    }

    protected async Task<MountSource> AllowAsync(ShareAccess access, string subnet = "198.51.100.0/27") => ((AccessAnswer.Active)await Eventually.SeesAsync(
        () => Shares.AllowAsync(access, subnet, Cancel), a => a is AccessAnswer.Active, "the rule is active", 60)).Source;

    /// <summary>As a release does it.</summary>
    protected async Task DenyAsync(ShareAccess access)
    {
        await Shares.UnmountAsync(access, Cancel);
        await Shares.DenyAsync(access, Cancel);
        await Eventually.SeesAsync(() => Shares.AccessAsync(access.Workspace, Cancel), a => a.Count == 0, "the rule is gone", 60);
    }

    private async Task<long> LimitAsync(FolderRef.Work folder) => (await Filesets.UsageAsync(Cancel)).Single(u => u.Folder == folder).LimitBytes;
}
