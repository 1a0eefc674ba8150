using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Tried from inside a real node, as the student: what must be closed is closed, and the tries themselves are shown to work where they may.</summary>
public sealed class IsolationTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const int Uid = 300_201;
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private const string Ioctls = """
        import ctypes, errno, os, struct, pty, fcntl, termios
        libc = ctypes.CDLL(None, use_errno=True)
        def ioctl(fd, request, arg):
            return "works" if libc.ioctl(fd, ctypes.c_ulong(request), arg) == 0 else errno.errorcode[ctypes.get_errno()]
        here = os.open("/home/student/work", os.O_RDONLY)
        name = lambda n: ctypes.create_string_buffer(struct.pack("<q4088s", here, n.encode()), 4096)
        two = lambda n: ctypes.create_string_buffer(struct.pack("<qQQ32s4040s", here, 0, 0, b"", n.encode()), 4096)
        for title, request, arg in [("create", 0x5000940E, name("a")), ("create-high", 0x15000940E, name("b")), ("create2", 0x50009418, two("c")),
                                    ("snapshot", 0x50009401, name("d")), ("snapshot2", 0x50009417, two("e")), ("snapshot2-high", 0x8000000050009417, two("f")),
                                    ("qgroup-limit", 0x8030942B, name("g")), ("delete", 0x5000940F, name("a"))]:
            print(title, ioctl(here, request, arg))
        open("/home/student/work/f", "wb").write(os.urandom(65536))
        s = os.open("/home/student/work/f", os.O_RDONLY); t = os.open("/home/student/work/g", os.O_RDWR | os.O_CREAT)
        print("reflink", ioctl(t, 0x40049409, ctypes.c_long(s)))
        m, p = pty.openpty(); fcntl.ioctl(p, termios.TIOCGWINSZ, b"\0" * 8); print("terminal works")
        """;

    [Fact]
    public async Task Node_AsMade_HasNoPrivilegeLeft()
    {
        // As its first process and as one started later: both must be bound.
        const string Status = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp:|^Uid|^Gid|^Groups' /proc/self/status | tr -s '\\t ' ' '";
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, command: ["sh", "-c", $"{Status}; echo end; sleep infinity"]));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var log = await Eventually.SeesAsync(() => Lab.Clusters.LogTailAsync(plan.Workspace, "notebook", 20, Cancel), l => l.Contains("end"), "the first process's words");

        var later = (await Lab.InsideAsync(plan, "notebook", "sh", "-c", Status)).Said.Split('\n');

        foreach (var lines in new[] { log.SkipLast(1).ToArray(), later })
        {
            lines.Where(l => l.StartsWith("Cap", StringComparison.Ordinal)).ShouldAllBe(l => l.EndsWith(" 0000000000000000"));
            lines.Count(l => l.StartsWith("Cap", StringComparison.Ordinal)).ShouldBe(5);
            lines.ShouldContain("NoNewPrivs: 1");
            lines.ShouldContain("Seccomp: 2");
            lines.ShouldContain($"Uid: {Uid} {Uid} {Uid} {Uid}");
            lines.ShouldContain($"Gid: {Uid} {Uid} {Uid} {Uid}");
            lines.Single(l => l.StartsWith("Groups:", StringComparison.Ordinal)).Trim().ShouldBeOneOf("Groups:", $"Groups: {Uid}");
        }
    }

    [Fact]
    public async Task Files_OutsideItsFolders_CannotBeWritten()
    {
        var (mount, folder, _) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        foreach (var place in new[] { "/x", "/etc/passwd", "/etc/group", "/usr/x", "/var/tmp/x", "/proc/sys/kernel/core_pattern", "/sys/fs/cgroup/x", "/dev/x" })
        {
            (await Lab.InsideAsync(plan, "notebook", "sh", "-c", $"echo x >> {place}")).Code.ShouldNotBe(0, place);
        }

        (await Lab.InsideAsync(plan, "notebook", "sh", "-c", "echo x > /tmp/x && echo x > /home/student/x && echo mine > /home/student/work/x && id -un")).Said.ShouldBe("student");
        (await File.ReadAllTextAsync(Path.Combine(folder, "x"), Cancel)).ShouldBe("mine\n");
        (await Lab.InsideAsync(plan, "notebook", "sh", "-c", "cp /bin/true /tmp/t && /tmp/t")).Code.ShouldBe(0, "engines run what they unpack on /tmp");
    }

    [Fact]
    public async Task Namespaces_Mounts_KernelDoors_AreRefused()
    {
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        foreach (var attempt in new[] { "unshare --user true", "unshare --user --map-root-user --mount true", "unshare --net true", "mount -t tmpfs x /tmp", "chroot / true", "dmesg", "cat /proc/kcore", "ls /sys/firmware/efi", "setpriv --reuid 0 true" })
        {
            (await Lab.InsideAsync(plan, "notebook", "sh", "-c", attempt)).Code.ShouldNotBe(0, attempt);
        }

        var said = (await Lab.PythonInsideAsync(plan, "notebook", """
            import ctypes, errno
            libc = ctypes.CDLL(None, use_errno=True)
            for title, call in [("unshare", (272, 0x10000000)), ("clone", (56, 0x10000011, 0, 0, 0, 0)), ("clone3", (435, 0, 0)), ("bpf", (321, 0, 0, 0)), ("keyctl", (250, 0, 0, 0, 0, 0)), ("open_by_handle_at", (304, 0, 0, 0)), ("io_uring_setup", (425, 1, 0))]:
                r = libc.syscall(*call); print(title, "works" if r >= 0 else errno.errorcode[ctypes.get_errno()])
            """)).Said;
        said.ShouldNotContain("works");
    }

    [Fact]
    public async Task Subvolumes_ByIoctl_AreRefusedAndReflinksWork()
    {
        var (mount, folder, _) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var said = (await Lab.PythonInsideAsync(plan, "notebook", Ioctls)).Said.Split('\n');

        said.ShouldBe(["create EPERM", "create-high EPERM", "create2 EPERM", "snapshot EPERM", "snapshot2 EPERM", "snapshot2-high EPERM", "qgroup-limit EPERM", "delete EPERM", "reflink works", "terminal works"]);
        Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).ShouldBe(["f", "g"], ignoreOrder: true);
    }

    [Fact]
    public async Task OtherStudents_Files_AreInvisible()
    {
        var classId = CloudLab.New();
        var (mine, _, _) = await Lab.WorkAsync(classId, Uid);
        var (_, theirs, _) = await Lab.WorkAsync(classId, Uid + 1);
        await File.WriteAllTextAsync(Path.Combine(theirs, "secret-of-another"), "s", Cancel);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mine));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        (await Lab.InsideAsync(plan, "notebook", "sh", "-c", "find / -xdev -name 'secret-of-another' 2>/dev/null; find /home /tmp /proc/1/root/home -name 'secret-of-another' 2>/dev/null")).Said.ShouldBeEmpty();
        (await Lab.InsideAsync(plan, "notebook", "sh", "-c", $"ls {theirs} {Path.GetDirectoryName(theirs)} {Lab.Mounts}")).Code.ShouldNotBe(0);
        (await Lab.InsideAsync(plan, "notebook", "sh", "-c", "ls /home/student/work/.. /home/student/work/../..; cat /home/student/work/../../secret-of-another")).Said.ShouldNotContain("secret\n");
    }

    [Fact]
    public async Task FileNames_Hostile_DisturbNothing()
    {
        var (mount, _, access) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        (await Lab.PythonInsideAsync(plan, "notebook", """
            import os
            os.chdir("/home/student/work")
            for name in [b"a\nb", b"0/5\t1 2 3 4 5".replace(b"/", b"_"), b"-rf", b"$(touch x)", b"`id`", b"\xff\xfe", b"'; drop table", b" ", b"\x1b[31mred", b"a" * 255, "\u202egnp.exe".encode(), b"|"]:
                os.mkdir(name); open(os.path.join(name, name), "w").write("x")
            print("made")
            """)).Said.ShouldBe("made");

        (await Lab.Filesets.UsageAsync(Cancel)).Single(u => u.PersonId == access.PersonId).LimitBytes.ShouldBe(64 << 20);
        (await Lab.Shares.AccessAsync(Cancel)).ShouldContain(access);
        await Lab.Filesets.EnsureAsync(access.ClassId, access.PersonId, Uid, 64 << 20, Cancel);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        await Lab.Shares.UnmountAsync(access.Workspace, CloudLab.Every, Cancel);
        await Lab.Shares.DenyAsync(access.Workspace, CloudLab.Every, Cancel);
    }

    [Fact]
    public async Task SymbolicLinks_Planted_AreFollowedByNobodyOutside()
    {
        var victim = Directory.CreateTempSubdirectory("portal-test-victim").FullName;
        await File.WriteAllTextAsync($"{victim}/kept", "kept", Cancel);
        var (mount, folder, access) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        (await Lab.InsideAsync(plan, "notebook", "sh", "-c", $"cd /home/student/work && ln -s / root && ln -s {victim} v && ln -s /etc/shadow .notebook && ln -s ../.. up && ln -s {Lab.Folder} shares && chmod 777 . && (cat .notebook; ls v) 2>&1; true")).Said.ShouldNotContain("kept");

        // Everything that root does with this folder, again.
        await Lab.Filesets.EnsureAsync(access.ClassId, access.PersonId, Uid, 48 << 20, Cancel);
        await Lab.Shares.EnsureShareAsync(access.ClassId, 1 << 30, Cancel);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        await Lab.Shares.UnmountAsync(access.Workspace, CloudLab.Every, Cancel);
        await Lab.Shares.DenyAsync(access.Workspace, CloudLab.Every, Cancel);
        var again = plan with { Generation = 2, Nodes = [plan.Nodes[0] with { Folders = [new FolderPlan(await Lab.Shares.AllowAsync(access with { Generation = 2 }, Cancel), "/home/student/work", false)] }] };
        await Lab.Clusters.EnsureAsync(again, Cancel);

        File.GetUnixFileMode(victim).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (await File.ReadAllTextAsync($"{victim}/kept", Cancel)).ShouldBe("kept");
        File.GetUnixFileMode(folder).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (await Lab.InsideAsync(again, "notebook", "readlink", "/home/student/work/v")).Said.ShouldBe(victim);
        (await Lab.InsideAsync(again, "notebook", "ls", "/home/student/work/v/")).Code.ShouldNotBe(0);
        Directory.Delete(victim, recursive: true);
    }
}
