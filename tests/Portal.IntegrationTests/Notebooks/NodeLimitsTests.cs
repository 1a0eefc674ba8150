using System.Net.WebSockets;
using System.Text;
using Portal.IntegrationTests.Clouds;
using Portal.IntegrationTests.Proxy;

namespace Portal.IntegrationTests.Notebooks;

/// <summary>A notebook's node uses what it was given, and its programs report that instead of what the host has.</summary>
public sealed class NodeLimitsTests(NodeLimitsTests.TwoSizes sizes) : IClassFixture<NodeLimitsTests.TwoSizes>
{
    private RealNotebook Node => sizes.Medium;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SharedMemory_IsAsLargeAsHalfOfTheNode()
    {
        (await Node.PythonAsync("""
            from multiprocessing.shared_memory import SharedMemory
            block = SharedMemory(create=True, size=600 << 20)
            for at in range(600): block.buf[at << 20 : (at + 1) << 20] = bytes(1 << 20)
            print(block.size >> 20); block.close(); block.unlink()
            """)).ShouldBe("600");
        const string Sizes = "/usr/bin/df --output=size -BM /tmp /dev/shm | tail -n 2 | tr -d ' '";
        (await Node.TypeAsync(Sizes)).ShouldBe("1024M\n1024M");
        (await sizes.Small.TypeAsync(Sizes)).ShouldBe("512M\n512M");
    }

    /// <summary>A small node accepts the last byte of its limit; a medium one accepts what was too much for the small one, and has twice the limit.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task KernelMessage_MayBeASixteenthOfTheNodesMemory()
    {
        const int Small = 64 << 20, Medium = 128 << 20;
        foreach (var (node, accepted, refused) in ((RealNotebook, int, int)[])[(sizes.Small, Small, Small + 1), (Node, Small + 1, Medium + 1)])
        {
            var kernel = (string)(await node.RequestAsync(HttpMethod.Post, "api/kernels")).Body!["id"]!;
            using var socket = await node.SocketAsync($"api/kernels/{kernel}/channels");
            await socket.SendAsync(Message(accepted), WebSocketMessageType.Text, true, Cancel);
            (await socket.SayAsync("execute_request", KernelSocket.Cell("6 * 7"))).ShouldBe("42");

            // The server closes without reading on, so this side may learn of that by an error.
            var sent = socket.SendAsync(Message(refused), WebSocketMessageType.Text, true, Cancel);
            await ClosedAsync(socket);
            await sent.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            (await node.RequestAsync(HttpMethod.Delete, $"api/kernels/{kernel}")).Status.ShouldBe(204);
        }

        static async Task ClosedAsync(ClientWebSocket socket)
        {
            try
            {
                while (await socket.ReceiveAsync(new byte[4096], Cancel) is { MessageType: not WebSocketMessageType.Close }) { }
                socket.CloseStatus.ShouldBe(WebSocketCloseStatus.MessageTooBig);
            }
            catch (WebSocketException e) { e.WebSocketErrorCode.ShouldBe(WebSocketError.ConnectionClosedPrematurely); }
        }

        // The server reads all of it before it finds that there is no such channel.
        static byte[] Message(int length)
        {
            const string Begin = "{\"channel\": \"none\", \"x\": \"", End = "\"}";
            return Encoding.ASCII.GetBytes(Begin + new string('x', length - Begin.Length - End.Length) + End);
        }
    }

    /// <summary>A package that needs 600 MiB while it is built, on a node whose /tmp has 512 MiB.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task Pip_BuildsPackagesWhereThereIsRoom() => (await sizes.Small.PythonAsync("""
        import io, os, subprocess, sys, tarfile, tempfile
        project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        backend = '''
        import os, zipfile
        def build_wheel(folder, settings=None, metadata=None):
            with open("needed", "wb") as file: os.posix_fallocate(file.fileno(), 0, 600 << 20)
            about = {"METADATA": "Metadata-Version: 2.1\\nName: probe\\nVersion: 1\\n", "WHEEL": "Wheel-Version: 1.0\\nTag: py3-none-any\\n", "RECORD": ""}
            with zipfile.ZipFile(folder + "/probe-1-py3-none-any.whl", "w") as wheel:
                for name, text in about.items(): wheel.writestr("probe-1.dist-info/" + name, text)
                wheel.writestr("probe_was_built.py", "folder = " + repr(os.getcwd()))
            return "probe-1-py3-none-any.whl"
        '''
        where = tempfile.mkdtemp()
        with tarfile.open(where + "/probe-1.tar.gz", "w:gz") as archive:
            for name, text in (("pyproject.toml", project), ("backend.py", backend)):
                part = tarfile.TarInfo("probe-1/" + name); part.size = len(text); archive.addfile(part, io.BytesIO(text.encode()))
        done = subprocess.run(["pip", "install", "--no-index", "--target", where, where + "/probe-1.tar.gz"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        sys.path.append(where); import probe_was_built
        print(os.path.commonpath([probe_was_built.folder, "/scratch/temporary"]), [f for f in os.listdir("/scratch/temporary") if f.startswith("pip-")])
        """)).ShouldBe("/scratch/temporary []");

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
        const string Count = """
            import os, multiprocessing, joblib, psutil
            print(os.cpu_count(), os.process_cpu_count(), multiprocessing.cpu_count(), joblib.cpu_count(), psutil.cpu_count())
            """;
        const string Threads = "import numpy; from threadpoolctl import threadpool_info; print({i['num_threads'] for i in threadpool_info()})";
        (await sizes.Small.PythonAsync(Count)).ShouldBe("1 1 1 1 1");
        (await sizes.Small.TypeAsync("nproc && nproc --all && env -u OMP_NUM_THREADS nproc")).ShouldBe("1\n1\n1");
        (await sizes.Small.PythonAsync(Threads)).ShouldBe("{1}");
        (await Node.TypeAsync("nproc")).ShouldBe("2");
    }

    /// <summary>A notebook of one processor and 1 GiB, and one of two and 2 GiB.</summary>
    public sealed class TwoSizes : IAsyncLifetime
    {
        private readonly LabFixture _lab = new();
        private RealNotebook? _small, _medium;

        public RealNotebook Small => _small!;
        public RealNotebook Medium => _medium!;

        public async ValueTask InitializeAsync()
        {
            await _lab.InitializeAsync();
            _small = await RealNotebook.StartAsync(_lab.Lab, vcpus: 1, memoryMib: 1024);
            _medium = await RealNotebook.StartAsync(_lab.Lab, vcpus: 2, memoryMib: 2048);
        }

        public async ValueTask DisposeAsync()
        {
            if (_small is not null) await _small.DisposeAsync();
            if (_medium is not null) await _medium.DisposeAsync();
            await _lab.DisposeAsync();
        }
    }
}
