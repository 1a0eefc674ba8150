using Portal.Core.Clouds;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Attempts from inside a real node, as the student: what must be closed is closed, and
/// the attempts themselves are shown to work where they may.</summary>
public sealed class IsolationTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const int Uid = 300_201;
    private CloudLab Lab => fixture.Lab;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Each with valid arguments and in its own process; the result is "works" or the error's name.</summary>
    private const string Attempts = """
        import ctypes, errno, os, struct
        libc = ctypes.CDLL(None, use_errno=True)
        def attempt(title, what):
            r, w = os.pipe(); child = os.fork()
            if child == 0:
                try: result = what() or "works"
                except OSError as e: result = errno.errorcode[e.errno]
                os.write(w, result.encode()); os._exit(0)
            os.close(w); print(title, os.read(r, 64).decode()); os.close(r); os.waitpid(child, 0)
        def call(*arguments, forks=False):
            def run():
                got = libc.syscall(*[ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments])
                if forks and got == 0: os._exit(0)
                return "works" if got >= 0 else errno.errorcode[ctypes.get_errno()]
            return run

        """;

    private const string Ioctls = Attempts + """
        import fcntl, pty, termios
        here = os.open("/home/student/work", os.O_RDONLY)
        name = lambda n: ctypes.create_string_buffer(struct.pack("<q4088s", here, n.encode()), 4096)
        two = lambda n: ctypes.create_string_buffer(struct.pack("<qQQ32s4040s", here, 0, 0, b"", n.encode()), 4096)
        limit = ctypes.create_string_buffer(struct.pack("<6Q", 0, 1, 1 << 30, 0, 0, 0), 48)
        for title, request, arg in [("create", 0x5000940E, name("a")), ("create-high", 0x15000940E, name("b")), ("create2", 0x50009418, two("c")),
                                    ("snapshot", 0x50009401, name("d")), ("snapshot2", 0x50009417, two("e")), ("snapshot2-high", 0x8000000050009417, two("f")),
                                    ("qgroup-limit", 0x8030942B, limit), ("delete", 0x5000940F, name("a"))]:
            attempt(title, call(16, here, request, arg))
        open("/home/student/work/f0", "wb").write(os.urandom(65536))
        s = os.open("/home/student/work/f0", os.O_RDONLY); t = os.open("/home/student/work/g0", os.O_RDWR | os.O_CREAT)
        attempt("reflink", call(16, t, 0x40049409, s))
        m, p = pty.openpty(); fcntl.ioctl(p, termios.TIOCGWINSZ, b"\0" * 8); print("terminal works")
        """;

    /// <summary>What the seccomp profile alone refuses.</summary>
    private const string KernelInterfaces = Attempts + """
        clone3 = ctypes.create_string_buffer(struct.pack("<8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)
        for title, what in [("user-namespace", call(272, 0x10000000)), ("clone", call(56, 0x10000011, 0, 0, 0, 0, forks=True)),
                            ("clone3", call(435, clone3, 64, forks=True)),
                            ("keyring", call(250, 0, ctypes.c_long(-2), 1)), ("io_uring", call(425, 1, ctypes.create_string_buffer(120))),
                            ("vsock", call(41, 40, 1, 0)), ("vsock-high", call(41, 0x100000028, 1, 0))]: attempt(title, what)
        for title, what in [("unix", call(41, 1, 1, 0)), ("inet", call(41, 2, 1, 0)), ("inet6", call(41, 10, 2, 0)), ("netlink", call(41, 16, 3, 0)),
                            ("pair", call(53, 1, 1, 0, ctypes.create_string_buffer(8)))]: attempt(title, what)
        """;

    /// <summary>Prints a handle of the work folder.</summary>
    private const string Handle = """
        import ctypes, struct
        h = ctypes.create_string_buffer(struct.pack("<Ii128s", 128, 0, b""), 136); mount = ctypes.c_int()
        assert ctypes.CDLL(None).syscall(303, ctypes.c_ulong(-100), b"/home/student/work", h, ctypes.byref(mount), 0) == 0
        print(h.raw.hex())
        """;

    /// <summary>What requires a capability, and is refused by the profile as well.</summary>
    /// <param name="handle">A valid one of the work folder, which a node cannot get by itself.</param>
    private static string RootInterfaces(string handle) => Attempts + $"handle = bytes.fromhex('{handle}')\n" + """
        h = ctypes.create_string_buffer(struct.pack("<Ii128s", 128, 0, b""), 136); mount = ctypes.c_int(); at = os.open("/home/student/work", os.O_RDONLY)
        name = call(303, ctypes.c_ulong(-100), b"/home/student/work", h, ctypes.byref(mount), 0)
        def mounts(): return "works" if libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0 else errno.errorcode[ctypes.get_errno()]
        bpf = ctypes.create_string_buffer(struct.pack("<4I56s", 2, 4, 4, 1, b""), 72)
        for title, what in [("net-namespace", call(272, 0x40000000)), ("mount-namespace", call(272, 0x20000)), ("mount", mounts),
                            ("chroot", lambda: os.chroot("/")),
                            ("kernel-log", call(103, 3, ctypes.create_string_buffer(4096), 4096)), ("bpf", call(321, 0, bpf, 72)),
                            ("handle-of-file", name),
                            ("file-by-handle", call(304, at, ctypes.create_string_buffer(handle, 136), os.O_RDONLY | os.O_DIRECTORY)),
                            ("another-uid", lambda: os.setresuid(1, 1, 1)), ("kernel-keys", lambda: None if open("/proc/keys").read() else "hidden"),
                            ("firmware", lambda: None if os.listdir("/sys/firmware") else "hidden")]: attempt(title, what)
        """;

    private const string Places = """/x /etc/passwd /etc/group /usr/x /var/tmp/x /proc/sys/kernel/core_pattern /dev/x""";

    private const string Writes = $$"""
        import errno, os
        for place in "{{Places}}".split():
            try: os.close(os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)); print(place, "works")
            except OSError as e: print(place, errno.errorcode[e.errno])
        group = "/sys/fs/cgroup/pids/x" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup/x"
        try: os.mkdir(group); os.rmdir(group); print("cgroup works")
        except OSError as e: print("cgroup", errno.errorcode[e.errno])
        """;

    [Fact]
    public async Task Node_AsMade_HasNoPrivilegeLeft()
    {
        // As its first process and as a later one: both must be restricted.
        const string Status = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp:|^Uid|^Gid|^Groups' /proc/self/status | tr -s '\\t ' ' '";
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, command: ["sh", "-c", $"{Status}; echo end; sleep infinity"]));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var log = await Eventually.SeesAsync(() => Lab.Clusters.LogTailAsync(plan.Workspace, "notebook", 20, Cancel), l => l.Contains("end"),
            "the first process's words");

        var later = (await Lab.InsideAsync(plan, "notebook", "sh", "-c", Status)).Output.Split('\n');

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

        await using var open = await UnconfinedContainer.StartAsync(Lab, "files", uid: 0, capable: true);

        (await Lab.PythonInsideAsync(plan, "notebook", Writes)).Output.Split('\n').ShouldBe(
            ["/x EROFS", "/etc/passwd EACCES", "/etc/group EACCES", "/usr/x EROFS", "/var/tmp/x EROFS",
                "/proc/sys/kernel/core_pattern EACCES", "/dev/x EACCES", "cgroup EROFS"]);
        (await open.PythonAsync(Writes)).ShouldAllBe(l => l.EndsWith(" works"));

        (await Lab.InsideAsync(plan, "notebook", "sh", "-c",
            "echo x > /tmp/x && echo x > /home/student/x && echo mine > /home/student/work/x && id -un")).Output.ShouldBe("student");
        (await File.ReadAllTextAsync(Path.Combine(folder, "x"), Cancel)).ShouldBe("mine\n");
        (await Lab.InsideAsync(plan, "notebook", "sh", "-c", "cp /bin/true /tmp/t && /tmp/t")).Code.ShouldBe(0, "engines run what they unpack on /tmp");
    }

    [Fact]
    public async Task Namespaces_Mounts_KernelInterfaces_AreRefused()
    {
        var (mount, _, _) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await using var unconfined = await UnconfinedContainer.StartAsync(Lab, "interfaces", Uid, capable: false, mount);
        await using var capable = await UnconfinedContainer.StartAsync(Lab, "interfaces", uid: 0, capable: true, mount);
        var root = RootInterfaces((await capable.PythonAsync(Handle)).Single());

        string[] allowed = ["unix works", "inet works", "inet6 works", "netlink works", "pair works"];

        (await Lab.PythonInsideAsync(plan, "notebook", KernelInterfaces)).Output.Split('\n').ShouldBe(
            ["user-namespace EPERM", "clone EPERM", "clone3 ENOSYS", "keyring EPERM", "io_uring EPERM", "vsock EPERM", "vsock-high EPERM", .. allowed]);
        (await Lab.PythonInsideAsync(plan, "notebook", root)).Output.Split('\n').ShouldBe(
            ["net-namespace EPERM", "mount-namespace EPERM", "mount EPERM", "chroot EPERM", "kernel-log EPERM",
                "bpf EPERM", "handle-of-file EPERM", "file-by-handle EPERM", "another-uid EPERM", "kernel-keys hidden", "firmware hidden"]);

        // Without the profile, the missing capability alone refuses what no setting of the host opens to everyone.
        var alone = await unconfined.PythonAsync(root);
        string[] closed = ["net-namespace", "mount-namespace", "mount", "chroot", "file-by-handle", "another-uid"];
        alone.Where(l => closed.Contains(l.Split(' ')[0], StringComparer.Ordinal)).ShouldBe(closed.Select(c => $"{c} EPERM"));
        alone.ShouldContain("handle-of-file works", "which needs no capability");

        // The same calls without the guard succeed, so they are the right ones.
        (await unconfined.PythonAsync(KernelInterfaces))
            .ShouldAllBe(l => l.EndsWith(" works"));
        (await capable.PythonAsync(root))
            .ShouldAllBe(l => l.EndsWith(" works"));
    }

    /// <summary>A program that belongs to root and has the set-uid bit, on a file system that honours it.</summary>
    [Fact]
    public async Task SetUidProgram_Run_GainsNothing()
    {
        var folder = Directory.CreateTempSubdirectory("portal-test-setuid").FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)0x1FF); // 0777
        try
        {
            var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: folder));
            await Lab.Clusters.EnsureAsync(plan, Cancel);
            (await Lab.InsideAsync(plan, "notebook", "cp", "/usr/bin/id", "/home/student/work/id")).ShouldBe(("", 0L));
            (await OwnDisk.RunAsync("chown", "root:root", $"{folder}/id")).ShouldBe(0);
            (await OwnDisk.RunAsync("chmod", "4755", $"{folder}/id")).ShouldBe(0);

            (await Lab.InsideAsync(plan, "notebook", "stat", "-c", "%u %a", "/home/student/work/id")).ShouldBe(("0 4755", 0L));
            (await Lab.InsideAsync(plan, "notebook", "/home/student/work/id", "-u")).ShouldBe(($"{Uid}", 0L));
            // Where new privileges may be gained, the same program runs as root, without any capability.
            await using var open = await UnconfinedContainer.StartAsync(Lab, "setuid", Uid, capable: false, folder,
                c => c.SecurityOpt = ["seccomp=unconfined"]);
            (await open.RunAsync("/home/student/work/id", "-u")).ShouldBe(["0"]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Subvolumes_ByIoctl_AreRefusedAndReflinksWork()
    {
        var (mount, folder, _) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);

        var result = (await Lab.PythonInsideAsync(plan, "notebook", Ioctls)).Output.Split('\n');

        result.ShouldBe(["create EPERM", "create-high EPERM", "create2 EPERM", "snapshot EPERM", "snapshot2 EPERM",
            "snapshot2-high EPERM", "qgroup-limit EPERM", "delete EPERM", "reflink works", "terminal works"]);
        Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).ShouldBe(["f0", "g0"], ignoreOrder: true);
    }

    [Fact]
    public async Task Subvolumes_WithoutTheProfile_AreMade_WhichIsWhyThereIsOne()
    {
        string[] made = ["create works", "create-high works", "create2 works", "snapshot works", "snapshot2 works", "snapshot2-high works"];
        await using var disk = await OwnDisk.MakeAsync(); // such a snapshot ends the accounting of its whole file system
        await using var lab = CloudLab.Open(("Clouds:LocalStorage:Folder", $"{disk.Mount}/shares"));
        Directory.CreateDirectory(lab.Folder);
        foreach (var (uid, capable, roots) in new[] { (Uid, false, "EPERM"), (0, true, "works") })
        {
            var (mount, folder, access) = await lab.WorkAsync(CloudLab.New(), Uid);
            var open = await UnconfinedContainer.StartAsync(lab, "subvolumes", uid, capable, mount);
            try
            {
                (await open.PythonAsync(Ioctls)).ShouldBe([.. made, $"qgroup-limit {roots}", $"delete {roots}", "reflink works", "terminal works"]);
            }
            finally
            {
                await open.DisposeAsync();
                foreach (var subvolume in Directory.GetDirectories(folder)) await OwnDisk.RunAsync("btrfs", "subvolume", "delete", subvolume);
                await lab.Shares.UnmountAsync(access, Cancel);
                await lab.Shares.DenyAsync(access, Cancel);
            }
        }
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

        (await Lab.InsideAsync(plan, "notebook", "sh", "-c",
            "find / -xdev -name 'secret-of-another' 2>/dev/null; "
            + "find /home /tmp /proc/1/root/home -name 'secret-of-another' 2>/dev/null")).Output.ShouldBeEmpty();
        foreach (var place in new[] { theirs, Path.GetDirectoryName(theirs)!, Lab.Mounts })
        {
            Directory.Exists(place).ShouldBeTrue("it exists on the host");
            (await Lab.InsideAsync(plan, "notebook", "ls", place)).ShouldBe(($"ls: cannot access '{place}': No such file or directory", 2L));
        }

        foreach (var above in (string[])["/home/student/work/../secret-of-another", $"/home/student/work/../{Path.GetFileName(theirs)}/secret-of-another"])
            (await Lab.InsideAsync(plan, "notebook", "cat", above)).ShouldBe(($"cat: {above}: No such file or directory", 1L));

        // In a container that has the class's share in place of the student's folder, the same file is read.
        await using var open = await UnconfinedContainer.StartAsync(Lab, "share", uid: 0, capable: true, Path.GetDirectoryName(theirs));
        (await open.PythonAsync($"print(open('/home/student/work/{Path.GetFileName(theirs)}/secret-of-another').read())")).ShouldBe(["s"]);
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
            for name in [b"a\nb", b"0/5\t1 2 3 4 5".replace(b"/", b"_"), b"-rf", b"$(touch x)", b"`id`",
                b"\xff\xfe", b"'; drop table", b" ", b"\x1b[31mred", b"a" * 255, "\u202egnp.exe".encode(), b"|"]:
                os.mkdir(name); open(os.path.join(name, name), "w").write("x")
            print("made")
            """)).Output.ShouldBe("made");

        (await Lab.UsageAsync(Cancel)).Single(u => u.Folder == access.Folder).LimitBytes.ShouldBe(64 << 20);
        (await Lab.Shares.AccessAsync(Cancel)).ShouldContain(access);
        await Lab.Filesets.EnsureAsync(access.Folder, Uid, 64 << 20, Cancel);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        await Lab.Shares.UnmountAsync(access, Cancel);
        await Lab.Shares.DenyAsync(access, Cancel);
    }

    [Fact]
    public async Task SymbolicLinks_Planted_AreFollowedByNobodyOutside()
    {
        var victim = Directory.CreateTempSubdirectory("portal-test-victim").FullName;
        await File.WriteAllTextAsync($"{victim}/kept", "kept", Cancel);
        var (mount, folder, access) = await Lab.WorkAsync(CloudLab.New(), Uid);
        var plan = await Lab.PlanAsync(nodes: await Lab.NodeAsync(uid: Uid, work: mount));
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        (await Lab.InsideAsync(plan, "notebook", "sh", "-c",
            $"cd /home/student/work && ln -s / root && ln -s {victim} v && ln -s /etc/shadow .notebook && ln -s ../.. up "
            + $"&& ln -s {Lab.Folder} shares && chmod 777 . && (cat .notebook; ls v) 2>&1; true")).Output.ShouldNotContain("kept");

        // Everything that root does with this folder, again.
        await Lab.Filesets.EnsureAsync(access.Folder, Uid, 48 << 20, Cancel);
        await Lab.Shares.EnsureShareAsync(((FolderRef.Work)access.Folder).Class, 1 << 30, Cancel);
        await Lab.Clusters.RemoveNodesAsync(plan.Workspace, CloudLab.Every, Cancel);
        await Lab.Shares.UnmountAsync(access, Cancel);
        await Lab.Shares.DenyAsync(access, Cancel);
        var again = plan with
        {
            Generation = 2,
            Nodes = [plan.Nodes[0] with { Folders = [
                new FolderPlan(new MountSource.HostPath(await Lab.AllowAsync(access with { Generation = 2 }, Cancel)), "/home/student/work", false)] }]
        };
        await Lab.Clusters.EnsureAsync(again, Cancel);

        File.GetUnixFileMode(victim).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (await File.ReadAllTextAsync($"{victim}/kept", Cancel)).ShouldBe("kept");
        File.GetUnixFileMode(folder).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (await Lab.InsideAsync(again, "notebook", "readlink", "/home/student/work/v")).Output.ShouldBe(victim);
        (await Lab.InsideAsync(again, "notebook", "ls", "/home/student/work/v/")).ShouldBe(
            ("ls: cannot access '/home/student/work/v/': No such file or directory", 2L));
        Directory.Delete(victim, recursive: true);
    }
}
