using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

public sealed class EngineSite : IAsyncLifetime
{
    public Installation It { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        It = await Installation.StartAsync(students: 1, ["spark", "hadoop", "slurm"], TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (It is not null) await It.DisposeAsync();
    }
}

/// <summary>Like <see cref="ClusterCrashTests"/>, with the compute engines whose images take long.</summary>
public sealed class EngineCrashTests(EngineSite site) : IClassFixture<EngineSite>
{
    private const string SparkSession = """
        import json, os, time, urllib.request
        os.environ["PYSPARK_SUBMIT_ARGS"] = "--properties-file /tmp/spark.conf pyspark-shell"
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.appName("test").getOrCreate().sparkContext
        spark.setLogLevel("OFF")
        while len(spark._jsc.sc().statusTracker().getExecutorInfos()) < 1 + 2: time.sleep(.2) # the driver is one of them

        """;

    /// <summary>Executors of the one application, from the driver's own interface; the last expression is printed.</summary>
    private const string Executors = """
        import json, urllib.request
        def get(path): return json.load(urllib.request.urlopen("http://localhost:4040/api/v1/applications" + path, timeout=5))
        executors = {e["hostPort"].split(":")[0]: e for e in get(f"/{get('')[0]['id']}/executors") if e["id"] != "driver" and e["isActive"]}

        """;

    /// <summary>Uses Slurm's own commands in the work folder, which the nodes share.</summary>
    private const string SlurmCommands = """
        import os, subprocess, time
        os.chdir("/home/student/work")
        def ask(*command): return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        def job(number): return dict(field.split("=", 1) for field in ask("scontrol", "show", "job", number).split() if "=" in field)
        def nodes(field): return [line.split()[1] for line in ask("sinfo", "-h", "-N", "-o", f"%T {field}").splitlines()
            if line.split()[0] in ("idle", "mixed", "allocated", "completing")]

        """;

    private ClusterDriver Spark =>
        new(site.It, "spark", ["master", "notebook"], Answer("http://master:8080/json/", "['aliveworkers']"),
            Answer("http://master:8080/json/", "['cores'] // 3"));
    private ClusterDriver Hadoop =>
        new(site.It, "hadoop", ["master", "notebook"], Answer("http://master:8088/ws/v1/cluster/metrics", "['clusterMetrics']['activeNodes']"),
            Answer("http://master:8088/ws/v1/cluster/metrics", "['clusterMetrics']['totalVirtualCores']"));
    private ClusterDriver Slurm =>
        new(site.It, "slurm", ["controller", "notebook"], SlurmCommands + "print(len(nodes('%N')))",
            SlurmCommands + "print(sum(int(cores) for cores in nodes('%c')))");

    [Fact, Trait("Lane", "long")]
    public Task Kill_InTheMiddleOfAResizeOfSpark_EndsWithTheWorkersOrdered() => Spark.KillResizesAsync();

    [Fact, Trait("Lane", "long")]
    public Task Kill_InTheMiddleOfAResizeOfHadoop_EndsWithTheWorkersOrdered() => Hadoop.KillResizesAsync();

    [Fact, Trait("Lane", "long")]
    public Task Kill_InTheMiddleOfAResizeOfSlurm_EndsWithTheWorkersOrdered() => Slurm.KillResizesAsync();

    [Fact, Trait("Lane", "long")]
    public Task Worker_LostWhileSparkComputes_IsMadeAgainAndTheResultIsRight() => Spark.LoseWorkerAsync(SparkSession + """
        def slow(n):
            time.sleep(.5)
            return n * n
        print("sum", spark.parallelize(range(160), 160).map(slow).sum())
        """, Executors + "print(int(executors['worker0']['activeTasks'] > 0))", "applications", "sum 1352560");

    [Fact, Trait("Lane", "long")]
    public Task Worker_LostWhileHadoopComputes_IsMadeAgainAndTheResultIsRight() => Hadoop.LoseWorkerAsync("""
        import os, subprocess
        os.makedirs("/tmp/in", exist_ok=True)
        for n in range(8):
            with open(f"/tmp/in/{n}", "w") as f: f.write(f"{n}\n")
        with open("/tmp/slow.sh", "w") as f: f.write("sleep 10; cat")
        subprocess.run("hdfs dfs -put -f /tmp/in lost && mapred streaming -files /tmp/slow.sh -mapper 'sh slow.sh' -reducer cat -input lost -output done",
            shell=True, check=True)
        lines = subprocess.run("hdfs dfs -cat 'done/part-*'", shell=True, check=True, capture_output=True, text=True).stdout.split()
        print("sum", sum(int(line) for line in lines), "of", len(lines))
        """, """
        import json, urllib.request
        nodes = json.load(urllib.request.urlopen("http://master:8088/ws/v1/cluster/nodes", timeout=5))["nodes"]["node"]
        print(int(any(n["nodeHostName"] == "worker0" and n["numContainers"] > 0 for n in nodes)))
        """, "applications", "sum 28 of 8");

    [Fact, Trait("Lane", "long")]
    public Task Worker_LostWhileSlurmComputes_IsMadeAgainAndTheJobRunsAgain() =>
        // A job on both nodes, one of which is removed: Slurm requeues it, and it waits two minutes.
        Slurm.LoseWorkerAsync(SlurmCommands + """
            with open("part.py", "w") as f: f.write('''
            import os, time
            total = 0
            for n in range(int(os.environ["SLURM_PROCID"]), 160, 2):
                time.sleep(.5)
                total += n * n
            print(total)
            ''')
            number = ask("sbatch", "--parsable", "--requeue", "--nodes=2", "--ntasks-per-node=1", "--output=lost.txt", "--wrap=srun --mpi=none python3 part.py")
            while (now := job(number))["JobState"] in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED"): time.sleep(.5)
            with open("lost.txt") as f: result = f.read()
            print(now["JobState"], result)
            print("sum", sum(int(part) for part in result.split()), "of", now["NumNodes"], "nodes after", now["Restarts"], "restart")
            """, SlurmCommands + "print(int('allocated worker0' in ask('sinfo', '-h', '-N', '-o', '%T %N').splitlines()))", "running",
            "sum 1352560 of 2 nodes after 1 restart");

    [Fact, Trait("Lane", "long")]
    public Task Worker_ThatLeavesSparkWithAShuffle_HandsItOver() =>
        // A lost shuffle is computed again, which shows as a failed or repeated stage.
        Spark.DrainAsync(SparkSession + """
            sums = spark.parallelize(range(100000), 8).map(lambda n: (n % 100, n)).reduceByKey(lambda a, b: a + b, 8)
            sums.count()
            print("made", flush=True)
            while not os.path.exists("/tmp/left"): time.sleep(.2)
            total = sums.values().sum()
            at = f"http://localhost:4040/api/v1/applications/{spark.applicationId}/stages"
            stages = json.load(urllib.request.urlopen(at, timeout=5))
            print("sum", total, "of", sum(s["status"] == "COMPLETE" for s in stages), "stages", sum(s["attemptId"] for s in stages), "again")
            """, Executors + "print(int(executors['worker1']['totalShuffleWrite'] > 0))", ask: null, "sum 4999950000 of 3 stages 0 again",
            files: "shuffle_*.data");

    [Fact, Trait("Lane", "long")]
    public Task Worker_ThatLeavesHdfsWithTheOnlyCopies_HandsThemOver() =>
        // One copy of each block, on either of the two. Then the guide's job counts all of them on the one node that is left.
        Hadoop.DrainAsync("""
            import os, subprocess
            os.makedirs("/tmp/in", exist_ok=True)
            for n in range(12):
                with open(f"/tmp/in/{n}", "w") as f: f.write(f"{n}\n" * 50000)
            subprocess.run("hdfs dfs -D dfs.replication=1 -put -f /tmp/in kept", shell=True, check=True)
            print("made")
            """, """
            import json, urllib.request
            info = json.load(urllib.request.urlopen("http://master:9870/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", timeout=5))["beans"][0]
            print(int(any(name.startswith("worker1:") and node["numBlocks"] > 0 for name, node in json.loads(info["LiveNodes"]).items())))
            """, """
            import subprocess
            subprocess.run("hadoop jar /opt/hadoop/examples.jar wordcount kept counts", shell=True, check=True)
            counts = [line.split()
                for line in subprocess.run("hdfs dfs -cat 'counts/part-r-*'", shell=True, check=True, capture_output=True, text=True).stdout.splitlines()]
            print(len(counts), "words", sum(int(count) for _, count in counts), "in all")
            """, "12 words 600000 in all");

    [Fact, Trait("Lane", "long")]
    public Task Worker_ThatLeavesSlurmWithAJob_FinishesItFirst() =>
        // The job ends only when it sees that its node is leaving; nothing would run it again.
        Slurm.DrainAsync(SlurmCommands + """
            with open("last.sh", "w") as f: f.write('''#!/bin/bash
            until sinfo -h -N -n worker1 -o %T | grep -q drain; do sleep .2; done
            sleep 10
            echo "done on $SLURMD_NODENAME"
            ''')
            number = ask("sbatch", "--parsable", "--no-requeue", "--nodelist=worker1", "--output=last.txt", "last.sh")
            with open("number", "w") as f: f.write(number)
            print("made")
            """, SlurmCommands + "print(int('allocated worker1' in ask('sinfo', '-h', '-N', '-o', '%T %N').splitlines()))", SlurmCommands + """
            with open("number") as f: now = job(f.read())
            with open("last.txt") as f: print(now["JobState"], "after", now["Restarts"], "restarts,", f.read())
            """, "COMPLETED after 0 restarts, done on worker1");

    [Fact, Trait("Lane", "long")]
    public Task Job_OfASlurmThatIsStoppedAndStarted_RunsAgain() =>
        // What it did before the stop is lost with its nodes; it is not "running" forever.
        Slurm.StopAtWorkAsync(SlurmCommands + """
            with open("number", "w") as f: f.write(ask("sbatch", "--parsable", "--nodes=2", "--output=again.txt",
                "--wrap=srun --mpi=none sh -c 'until [ -e go ]; do sleep 1; done; echo done'"))
            """, SlurmCommands + "print(int(len(nodes('%N')) == 2 and 'allocated worker1' in ask('sinfo', '-h', '-N', '-o', '%T %N').splitlines()))",
            SlurmCommands + """
            with open("go", "w"): pass
            with open("number") as f: number = f.read()
            while (now := job(number))["JobState"] in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED"): time.sleep(.5)
            with open("again.txt") as f: print(now["JobState"], "after", now["Restarts"], "restart,", f.read().split())
            """, "COMPLETED after 1 restart, ['done', 'done']");

    private static string Answer(string url, string path) => $"import json, urllib.request\nprint(json.load(urllib.request.urlopen('{url}', timeout=5)){path})";
}
