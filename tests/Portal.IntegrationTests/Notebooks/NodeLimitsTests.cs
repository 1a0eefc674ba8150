using Portal.IntegrationTests.Clouds;

namespace Portal.IntegrationTests.Notebooks;

/// <summary>A notebook's node uses what it was given, and its programs report that instead of what the host has.</summary>
public sealed class NodeLimitsTests(NodeLimitsTests.Medium medium) : IClassFixture<NodeLimitsTests.Medium>
{
    private RealNotebook Node => medium.Node;

    [Fact]
    public async Task SharedMemory_IsAsLargeAsHalfOfTheNode()
    {
        (await Node.PythonAsync("""
            from multiprocessing.shared_memory import SharedMemory
            block = SharedMemory(create=True, size=600 << 20)
            for at in range(600): block.buf[at << 20 : (at + 1) << 20] = bytes(1 << 20)
            print(block.size >> 20); block.close(); block.unlink()
            """)).ShouldBe("600");
        (await Node.TypeAsync("/usr/bin/df --output=size -BM /tmp /dev/shm | tail -n 2 | tr -d ' '")).ShouldBe("1024M\n1024M");
    }

    [Fact]
    public async Task Joblib_HandsALargeTableToTwoProcesses() => (await Node.PythonAsync("""
        import numpy, os
        from joblib import Parallel, delayed
        from sklearn.linear_model import SGDClassifier
        table = numpy.zeros((528 << 20) // 8).reshape(-1, 64); table[::2, 0] = 1; answer = table[:, 0]
        def learn(x, y, seed): return type(x).__name__, SGDClassifier(max_iter=1, tol=None, random_state=seed).fit(x[:1000], y[:1000]).score(x[:1000], y[:1000])
        print(Parallel(n_jobs=2)(delayed(learn)(table, answer, seed) for seed in (1, 2)), os.environ["JOBLIB_TEMP_FOLDER"])
        """)).ShouldBe("[('memmap', 1.0), ('memmap', 1.0)] /scratch/temporary");

    [Fact]
    public async Task CachesAndTemporaryFiles_LieOnTheScratchFolder_AndWhatWasTemporaryGoesWithARestart()
    {
        (await Node.PythonAsync("""
            import matplotlib, tempfile, os
            print(tempfile.gettempdir(), matplotlib.get_cachedir(), os.environ["NUMBA_CACHE_DIR"])
            open(tempfile.gettempdir() + "/left", "w").close(); open(matplotlib.get_cachedir() + "/kept", "w").close()
            """)).ShouldBe("/scratch/temporary /scratch/cache/matplotlib /scratch/cache/numba");

        await Node.StartAgainAsync();

        (await Node.TypeAsync("ls /scratch/temporary")).ShouldNotContain("left");
        (await Node.TypeAsync("ls /scratch/cache/matplotlib")).ShouldContain("kept");
    }

    [Fact]
    public async Task Pip_ListsWhatIsInstalled()
    {
        foreach (var command in (string[])["pip list", "pip freeze", "python3 -m pip list"])
        {
            var output = await Node.TypeAsync(command);
            output.ShouldContain("jupyterlab");
            output.ShouldContain("pandas");
        }
    }

    [Fact]
    public async Task Matrices_AreMultipliedByOpenBlas_WithTheThreadsOfTheNode_AndRight() => (await Node.PythonAsync("""
        import numpy, sklearn
        from threadpoolctl import threadpool_info
        print({(i["internal_api"], i["num_threads"]) for i in threadpool_info()} == {("openblas", 2), ("openmp", 2)})
        random = numpy.random.default_rng(7)
        for n in (5, 64, 129, 600):
            a, b = random.integers(-9, 9, (n, n)), random.integers(-9, 9, (n, n))
            for kind in (numpy.float32, numpy.float64): assert ((a.astype(kind) @ b.astype(kind)).astype(int) == a @ b).all(), (n, kind)
            x = random.standard_normal((n, n)); u, s, v = numpy.linalg.svd(x)
            assert numpy.abs(u * s @ v - x).max() < 1e-9 and numpy.abs(numpy.linalg.solve(x, x) - numpy.eye(n)).max() < 1e-6, n
        """)).ShouldBe("True");

    [Fact]
    public async Task Df_ShowsTheFoldersLimitAndWhatIsUsed()
    {
        await Node.TypeAsync("head -c 20M /dev/urandom > twenty && sync");

        (await Node.TypeAsync("df -m . | tail -n 1")).ShouldMatch(@"^\S+ +64 +2\d +[34]\d +\d+% /home/student/work$");
        (await Node.TypeAsync("df -h --type=btrfs | tail -n +2 | tr -s ' ' | cut -d' ' -f2,6 | sort")).ShouldBe("1.0G /scratch\n64M /home/student/work");
        (await Node.TypeAsync("df -h")).ShouldNotContain("overlay", Case.Sensitive, "the host's disk does not belong to the node");
        (await Node.PythonAsync("""
            import shutil, psutil
            for total, used, free in (shutil.disk_usage("."), psutil.disk_usage(".")[:3]): print(total >> 20, used >> 20 in range(20, 30), total == used + free)
            """)).ShouldBe("64 True True\n64 True True");
        await Node.TypeAsync("rm twenty");
        (await Node.TypeAsync("df --version | head -n 1")).ShouldContain("coreutils", Case.Sensitive, "an option that only the system's command knows");
    }

    [Fact]
    public async Task Free_ShowsTheNodesMemory()
    {
        (await Node.TypeAsync("free -m | awk '/^Mem:/ { print $2, ($3 > 20 && $3 < 1500), ($2 >= $3 + $7 - 2) }'")).ShouldBe("2048 1 1");
        (await Node.TypeAsync("free -h")).ShouldContain("2.0Gi");
        (await Node.PythonAsync("import psutil; m = psutil.virtual_memory(); print(m.total >> 20, 0 < m.available < m.total)")).ShouldBe("2048 True");
        var used = await Node.PythonAsync("""
            import psutil
            before = psutil.virtual_memory().available; block = bytearray(b"x") * (300 << 20)
            print((before - psutil.virtual_memory().available) >> 20)
            """);
        int.Parse(used, System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(250, 350);
    }

    [Fact]
    public async Task Processors_AreThoseOfTheNode()
    {
        await using var small = await RealNotebook.StartAsync(medium.Lab, vcpus: 1);
        const string Count = """
            import os, multiprocessing, joblib, psutil
            print(os.cpu_count(), os.process_cpu_count(), multiprocessing.cpu_count(), joblib.cpu_count(), psutil.cpu_count())
            """;
        const string Threads = "import numpy; from threadpoolctl import threadpool_info; print({i['num_threads'] for i in threadpool_info()})";
        (await small.PythonAsync(Count)).ShouldBe("1 1 1 1 1");
        (await small.TypeAsync("nproc && nproc --all && env -u OMP_NUM_THREADS nproc")).ShouldBe("1\n1\n1");
        (await small.PythonAsync(Threads)).ShouldBe("{1}");
        (await Node.TypeAsync("nproc")).ShouldBe("2");
    }

    /// <summary>A notebook of two processors and 2 GiB.</summary>
    public sealed class Medium : IAsyncLifetime
    {
        private readonly LabFixture _lab = new();
        private RealNotebook? _node;

        public TestKit.Clouds.CloudLab Lab => _lab.Lab;
        public RealNotebook Node => _node!;

        public async ValueTask InitializeAsync()
        {
            await _lab.InitializeAsync();
            _node = await RealNotebook.StartAsync(Lab, vcpus: 2, memoryMib: 2048);
        }

        public async ValueTask DisposeAsync()
        {
            if (_node is not null) await _node.DisposeAsync();
            await _lab.DisposeAsync();
        }
    }
}
