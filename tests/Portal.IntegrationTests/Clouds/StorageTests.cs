using System.Diagnostics;
using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Shares, work folders, rules and mounts on a real btrfs, as the host sees them.</summary>
public sealed class StorageTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const int Uid = 300_101;
    private const string Subnet = "192.0.2.0/27"; // this storage does not look at it
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Prepare_OnBtrfs_EnforcesAndTellsTheSmallerRoom()
    {
        var report = await Lab.Shares.PrepareAsync(Cancel);

        report.BlocksEnforced.ShouldBeTrue();
        report.Recounting.ShouldBeFalse();
        report.FreeBytes.ShouldBeGreaterThan(0);
        report.FreeBytes.ShouldBeLessThanOrEqualTo(report.TotalBytes);
        report.Summary.ShouldContain("in the file");
        report.FreeBytes.ShouldBeLessThanOrEqualTo(new DriveInfo("/").AvailableFreeSpace + (1 << 30));
    }

    [Fact]
    public async Task Ensure_Twice_MakesOneFolderOfThatPersonWithBothLimits()
    {
        var classId = CloudLab.New();
        var (mount, folder, access) = await Lab.WorkAsync(classId, Uid, limit: 20 << 20, classLimit: 60 << 20);
        await Lab.Shares.EnsureShareAsync(classId, 60 << 20, Cancel);
        await Lab.Filesets.EnsureAsync(access.Folder, Uid, 20 << 20, Cancel);
        (await Lab.AllowAsync(access, Cancel)).ShouldBe(mount);

        (await StatAsync(folder)).ShouldBe($"{Uid} {Uid} 700 256");
        (await StatAsync(mount)).ShouldBe($"{Uid} {Uid} 700 256");
        (await StatAsync(Path.GetDirectoryName(folder)!)).ShouldBe("0 0 711 256");
        var usage = (await Lab.UsageAsync(Cancel)).Where(u => u.ClassId == classId).ToList();
        usage.Single(u => u.Folder == access.Folder).LimitBytes.ShouldBe(20 << 20);
        usage.Single(u => u.IsShare).LimitBytes.ShouldBe(60 << 20);
        usage.Count.ShouldBe(2);
        File.ReadLines("/proc/self/mountinfo").Count(l => l.Contains(mount, StringComparison.Ordinal)).ShouldBe(1);
        File.ReadLines("/proc/self/mountinfo").Single(l => l.Contains(mount, StringComparison.Ordinal)).ShouldContain("nosuid,nodev");
    }

    [Fact]
    public async Task Limits_RaisedAndLowered_HoldAtOnceAndLoseNoFile()
    {
        var classId = CloudLab.New();
        var (mount, _, access) = await Lab.WorkAsync(classId, Uid, limit: 20 << 20);
        (await WriteAsync(mount, "a", 15)).ShouldBe(0);

        await Lab.Filesets.EnsureAsync(access.Folder, Uid, 8 << 20, Cancel);
        (await WriteAsync(mount, "b", 5)).ShouldNotBe(0);
        new FileInfo(Path.Combine(mount, "a")).Length.ShouldBe(15 << 20);

        await Lab.Filesets.EnsureAsync(access.Folder, Uid, 40 << 20, Cancel);
        (await WriteAsync(mount, "b", 5)).ShouldBe(0);
        var used = (await Lab.UsageAsync(Cancel)).Single(u => u.Folder == access.Folder);
        used.UsedBytes.ShouldNotBeNull().ShouldBeInRange(20L << 20, 21L << 20);
        used.LimitBytes.ShouldBe(40 << 20);
    }

    [Fact]
    public async Task Rules_InOrder_AreSeenUntilTakenBack()
    {
        var (mount, folder, access) = await Lab.WorkAsync(CloudLab.New(), Uid);
        (await Lab.Shares.AccessAsync(Cancel)).ShouldContain(access);

        var early = await Should.ThrowAsync<CloudException>(() => Lab.Shares.DenyAsync(access, Cancel));
        early.Fault.ShouldBe(CloudFault.Conflict);
        await Lab.Shares.UnmountAsync(access, Cancel);
        (await Lab.Shares.AccessAsync(Cancel)).ShouldContain(access);
        (await StatAsync(mount)).ShouldStartWith("0 0 700");
        await Lab.Shares.DenyAsync(access, Cancel);

        (await Lab.Shares.AccessAsync(Cancel)).ShouldNotContain(access);
        Directory.Exists(mount).ShouldBeFalse();
        Directory.Exists(folder).ShouldBeTrue();
        await Lab.Shares.UnmountAsync(access, Cancel);
        await Lab.Shares.DenyAsync(access, Cancel);
    }

    [Fact]
    public async Task Unmount_WhileSomethingUsesIt_IsConflictAndLater_Works()
    {
        var (mount, _, access) = await Lab.WorkAsync(CloudLab.New(), Uid);
        using (var user = Process.Start(new ProcessStartInfo("sleep", "60") { WorkingDirectory = mount, UseShellExecute = false })!)
        {
            var busy = await Should.ThrowAsync<CloudException>(() => Lab.Shares.UnmountAsync(access, Cancel));
            busy.Fault.ShouldBe(CloudFault.Conflict);
            user.Kill();
            await user.WaitForExitAsync(Cancel);
        }

        await Lab.Shares.UnmountAsync(access, Cancel);
        await Lab.Shares.DenyAsync(access, Cancel);
    }

    [Fact]
    public async Task Allow_ManyAtOnceOfOnePerson_MountsEachOnce()
    {
        var classId = CloudLab.New();
        var (_, _, first) = await Lab.WorkAsync(classId, Uid);
        var rules = Enumerable.Range(0, 8).Select(_ => first with { Workspace = CloudLab.New() }).ToList();

        await Task.WhenAll(rules.Concat(rules).Select(r => Lab.Shares.AllowAsync(r, Subnet, Cancel)));

        var seen = await Lab.Shares.AccessAsync(Cancel);
        rules.ShouldAllBe(r => seen.Count(s => s == r) == 1);
        File.ReadLines("/proc/self/mountinfo").Count(l => rules.Any(r => l.Contains(r.Workspace.ToString("n"), StringComparison.Ordinal))).ShouldBe(8);
    }

    [Fact]
    public async Task Ensure_SomethingElseIsThere_IsRefusedAndUntouched()
    {
        var (classId, personId) = (CloudLab.New(), CloudLab.New());
        await Lab.Shares.EnsureShareAsync(classId, 60 << 20, Cancel);
        var place = Path.Combine(Lab.Folder, classId.ToString("n"), personId.ToString("n"));
        File.CreateSymbolicLink(place, "/etc");

        (await Should.ThrowAsync<CloudException>(() => Lab.Filesets.EnsureAsync(new FolderRef.Work(classId, personId), Uid, 1 << 20, Cancel)))
            .Fault.ShouldBe(CloudFault.Refused);
        var access = new ShareAccess(CloudLab.New(), 1, new FolderRef.Work(classId, personId));
        (await Should.ThrowAsync<CloudException>(() => Lab.Shares.AllowAsync(access, Subnet, Cancel))).Fault.ShouldBe(CloudFault.Missing);
        (await StatAsync("/etc")).ShouldStartWith("0 0 755");
        File.Delete(place);
        Directory.CreateDirectory(place);
        (await Should.ThrowAsync<CloudException>(() => Lab.Filesets.EnsureAsync(new FolderRef.Work(classId, personId), Uid, 1 << 20, Cancel)))
            .Fault.ShouldBe(CloudFault.Refused);
        Directory.Delete(place);
    }

    [Fact]
    public async Task Ensure_FolderOfAnotherUid_IsRefused()
    {
        var classId = CloudLab.New();
        var (_, folder, access) = await Lab.WorkAsync(classId, Uid);

        (await Should.ThrowAsync<CloudException>(() => Lab.Filesets.EnsureAsync(access.Folder, Uid + 1, 1 << 20, Cancel))).Fault.ShouldBe(
            CloudFault.Refused);
        (await StatAsync(folder)).ShouldBe($"{Uid} {Uid} 700 256");
    }

    [Fact]
    public async Task Ensure_ManyPeopleAtOnce_EachHasItsOwnLimit()
    {
        var classId = CloudLab.New();
        await Lab.Shares.EnsureShareAsync(classId, 1 << 30, Cancel);
        var people = Enumerable.Range(0, 20).Select(i => (Id: CloudLab.New(), Uid: Uid + i, Limit: (10L + i) << 20)).ToList();

        await Task.WhenAll(people.Concat(people).Select(p => Lab.Filesets.EnsureAsync(new FolderRef.Work(classId, p.Id), p.Uid, p.Limit, Cancel)));

        var usage = await Lab.UsageAsync(Cancel);
        people.ShouldAllBe(p => usage.Single(u => u.Folder == new FolderRef.Work(classId, p.Id)).LimitBytes == p.Limit);
    }

    [Fact]
    public async Task Counting_MadeInconsistent_IsSeenAndCountedAgain()
    {
        // A separate file system, because the flag applies to the whole file system and other tests use the shared one.
        await using var disk = await OwnDisk.MakeAsync();
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", $"{disk.Mount}/shares"));
        Directory.CreateDirectory(lab.Folder);
        var (mount, folder, access) = await lab.WorkAsync(CloudLab.New(), Uid, limit: 20 << 20);
        (await lab.Shares.PrepareAsync(Cancel)).Recounting.ShouldBeFalse();

        (await OwnDisk.RunAsync("btrfs", "subvolume", "snapshot", folder, $"{disk.Mount}/by-hand")).ShouldBe(0);
        (await WriteAsync(mount, "a", 1)).ShouldBe(0);
        await OwnDisk.RunAsync("sync", "-f", mount);
        var report = await lab.Shares.PrepareAsync(Cancel);

        report.Recounting.ShouldBeTrue();
        report.Summary.ShouldContain("recounted");
        await Eventually.HoldsAsync(async () => !(await lab.Shares.PrepareAsync(Cancel)).Recounting, "the recount");
        (await WriteAsync(mount, "b", 30)).ShouldNotBe(0);
        await lab.Shares.UnmountAsync(access, Cancel);
        await lab.Shares.DenyAsync(access, Cancel);
    }

    [Fact]
    public async Task Prepare_LeavesNoDeletionToTheKernelThatEndsTheAccounting()
    {
        await using var disk = await OwnDisk.MakeAsync();
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", $"{disk.Mount}/shares"));
        Directory.CreateDirectory(lab.Folder);
        var threshold = disk.QuotaGroups("drop_subtree_threshold");
        await File.WriteAllTextAsync(threshold, "3", Cancel); // what newer kernels begin with: folders of millions of files

        await lab.Shares.PrepareAsync(Cancel);

        (await File.ReadAllTextAsync(threshold, Cancel)).Trim().ShouldBe("8", "more than any tree is high");
    }

    [Fact]
    public async Task ScratchFolders_Removed_LeaveTheAccountingConsistentAndNoGroupBehind()
    {
        await using var disk = await OwnDisk.MakeAsync();
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", $"{disk.Mount}/shares"));
        Directory.CreateDirectory(lab.Folder);
        var (classId, workspace) = (CloudLab.New(), CloudLab.New());
        await lab.Shares.EnsureShareAsync(classId, 1 << 30, Cancel);
        var before = (await lab.Filesets.UsageAsync(Cancel)).Single().UsedBytes;
        using var end = new CancellationTokenSource();
        var commits = Task.Run(async () =>
        {
            // The kernel removes what is deleted after these.
            while (!end.IsCancellationRequested) await OwnDisk.RunAsync("btrfs", "filesystem", "sync", disk.Mount);
        }, Cancel);
        for (var i = 0; i < 40; i++)
        {
            var scratch = new FolderRef.Scratch(classId, workspace, $"worker{i}");
            await lab.Filesets.EnsureAsync(scratch, Uid, 20 << 20, Cancel);
            await File.WriteAllBytesAsync(Path.Combine(lab.Folder, $"{classId:n}", $"scratch-{workspace:n}-worker{i}", "a"), new byte[i << 10], Cancel);
            await lab.Filesets.RemoveScratchAsync(scratch, Cancel);
            await lab.Filesets.UsageAsync(Cancel); // throws while the accounting is inconsistent
        }

        await end.CancelAsync();
        await commits;

        var inconsistent = disk.QuotaGroups("inconsistent");
        (await File.ReadAllTextAsync(inconsistent, Cancel)).Trim().ShouldBe("0");
        await Eventually.HoldsAsync(async () => (await lab.Filesets.UsageAsync(Cancel)).Single().UsedBytes == before
            && Directory.GetDirectories(Path.GetDirectoryName(inconsistent)!, "0_*").Length <= 2, "the groups of removed folders are gone");
    }

    /// <summary>The listing is made of several calls to the kernel, and groups disappear between them.</summary>
    [Fact]
    public async Task Usage_WhileFoldersAreRemoved_IsKnown()
    {
        await using var disk = await OwnDisk.MakeAsync();
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", $"{disk.Mount}/shares"));
        Directory.CreateDirectory(lab.Folder);
        var (classId, workspace) = (CloudLab.New(), CloudLab.New());
        await lab.Shares.EnsureShareAsync(classId, 1 << 30, Cancel);
        using var end = new CancellationTokenSource();
        var reading = Task.Run(async () =>
        {
            var known = 0;
            for (; !end.IsCancellationRequested; known++) await lab.Filesets.UsageAsync(Cancel);
            return known;
        }, Cancel);
        for (var i = 0; i < 20; i++)
        {
            var folders = Enumerable.Range(0, 6).Select(n => new FolderRef.Scratch(classId, workspace, $"worker{n}")).ToList();
            foreach (var folder in folders) await lab.Filesets.EnsureAsync(folder, Uid, 20 << 20, Cancel);
            foreach (var folder in folders) await lab.Filesets.RemoveScratchAsync(folder, Cancel);
        }

        await end.CancelAsync();
        (await reading).ShouldBeGreaterThan(10);
    }

    [Fact]
    public async Task Usage_WhileItIsCountedAgain_IsNotToldAsIfFoldersWereEmpty()
    {
        await using var disk = await OwnDisk.MakeAsync();
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", $"{disk.Mount}/shares"));
        Directory.CreateDirectory(lab.Folder);
        var (mount, folder, access) = await lab.WorkAsync(CloudLab.New(), Uid, limit: 60 << 20);
        (await WriteAsync(mount, "a", 20)).ShouldBe(0);
        (await lab.Filesets.UsageAsync(Cancel)).Single(u => u.Folder == access.Folder).UsedBytes.ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(20 << 20);
        (await OwnDisk.RunAsync("btrfs", "subvolume", "snapshot", folder, $"{disk.Mount}/by-hand")).ShouldBe(0);

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Filesets.UsageAsync(Cancel));

        fault.Fault.ShouldBe(CloudFault.Unavailable);
        fault.Message.ShouldContain("recounted");
        await Eventually.HoldsAsync(async () => !(await lab.Shares.PrepareAsync(Cancel)).Recounting, "the recount");
        (await lab.Filesets.UsageAsync(Cancel)).Single(u => u.Folder == access.Folder).UsedBytes.ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(20 << 20);
        await lab.Shares.UnmountAsync(access, Cancel);
        await lab.Shares.DenyAsync(access, Cancel);
    }

    [Fact]
    public async Task HostDiskNearlyFull_IsWhatPrepareTells()
    {
        // The file promises 2 GiB on a disk of 300 MiB.
        await using var disk = await OwnDisk.MakeAsync(sizeMib: 2048, hostMib: 300);
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", $"{disk.Mount}/shares"));
        Directory.CreateDirectory(lab.Folder);

        var report = await lab.Shares.PrepareAsync(Cancel);

        report.TotalBytes.ShouldBe(2L << 30);
        report.FreeBytes.ShouldBeLessThan(300L << 20);
    }

    [Fact]
    public async Task WithoutBtrfs_IsCountedAndSaysSo()
    {
        var plain = Directory.CreateTempSubdirectory("portal-test-plain").FullName;
        await using (var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", plain)))
        {
            var report = await lab.Shares.PrepareAsync(Cancel);
            report.BlocksEnforced.ShouldBeFalse();
            report.Summary.ShouldContain("not enforced");
            var classId = CloudLab.New();
            var (mount, folder, access) = await lab.WorkAsync(classId, Uid);
            (await WriteAsync(mount, "a", 3)).ShouldBe(0);
            File.CreateSymbolicLink(Path.Combine(folder, "link"), "/usr");
            (await StatAsync(folder)).ShouldStartWith($"{Uid} {Uid} 700");

            var scratch = new FolderRef.Scratch(classId, access.Workspace, "worker0");
            await lab.Filesets.EnsureAsync(scratch, Uid, 1 << 30, Cancel);

            var usage = await lab.Filesets.UsageAsync(Cancel);
            usage.Single(u => u.Folder == access.Folder).UsedBytes.ShouldBe(3 << 20);
            usage.Single(u => u.Folder == scratch).UsedBytes.ShouldBe(0);
            usage.Count.ShouldBe(3);
            await lab.Shares.UnmountAsync(access, Cancel);
            await lab.Shares.DenyAsync(access, Cancel);
        }

        Directory.Delete(plain, recursive: true);
    }

    [Fact]
    public async Task NoFolderNamed_SaysWhatIsMissingAndHowToGetIt()
    {
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", ""));
        var fault = await Should.ThrowAsync<CloudException>(() => lab.Shares.PrepareAsync(Cancel));
        fault.Fault.ShouldBe(CloudFault.Unavailable);
        fault.WhatToDo.ShouldContain("btrfs-progs");
    }

    private static async Task<string> StatAsync(string path)
    {
        using var stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%u %g %a %i", path]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        return (await stat.StandardOutput.ReadToEndAsync(Cancel)).Trim();
    }

    private static Task<int> WriteAsync(string folder, string name, int mib) =>
        OwnDisk.RunAsync("setpriv", $"--reuid={Uid}", $"--regid={Uid}", "--clear-groups", "dd", "if=/dev/zero", $"of={folder}/{name}", "bs=1M",
            $"count={mib}", "conv=fsync");
}
