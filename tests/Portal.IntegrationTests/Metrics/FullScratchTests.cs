using Portal.Core.Workspaces;
using Portal.IntegrationTests.Crashes;
using Portal.TestKit;

namespace Portal.IntegrationTests.Metrics;

/// <summary>Spark and Hadoop fill a worker's scratch folder by what they are for; the page says so, and following its advice helps.</summary>
public sealed class FullScratchTests(FullScratchTests.Clusters site) : IClassFixture<FullScratchTests.Clusters>
{
    /// <summary>Gigabytes of random bytes through two cores.</summary>
    private static readonly TimeSpan Fills = TimeSpan.FromMinutes(5);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Installation It => site.It;

    [Fact, Trait("Lane", "long")]
    public async Task ScratchFolderOfSpark_FilledByAShuffle_IsToldAndEmptiedByStoppingTheSession()
    {
        const string Session = """
            import os, time
            os.environ["PYSPARK_SUBMIT_ARGS"] = "--properties-file /tmp/spark.conf pyspark-shell"
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.getOrCreate()

            """;
        var spark = new ClusterDriver(It, "spark", ["master", "notebook"], Master("http://master:8080/json/", "['aliveworkers']"), "");
        var worker = new WorkerScratch(It, 2L << 30);
        var (owner, id) = await spark.ReadyAsync(workers: 1);

        await spark.BeginAsync(id, Session + """
            spark.sparkContext.setLogLevel("OFF")
            pieces = spark.sparkContext.parallelize(range(640), 160).map(lambda n: (n, os.urandom(4 << 20))).partitionBy(4)
            try: print("all", pieces.count())
            except Exception as e: print("failed because it was full:", any(words in str(e) for words in ("Disk quota exceeded", "No space left")))
            print("full", flush=True)
            while not os.path.exists("/tmp/left"): time.sleep(.2)
            spark.stop()
            print("stopped")
            """);
        await worker.BecomesAsync(owner, id, ScratchState.Full, Fills);
        (await worker.ToldAsync(owner, id)).ShouldContain("call spark.stop() in notebooks that you no longer use");
        await spark.PrintsAsync(id, "failed because it was full: True");

        (await It.Lab.Clusters.ExecuteAsync(id, "notebook", ["touch", "/tmp/left"], Cancel)).ExitCode.ShouldBe(0);
        await spark.PrintsAsync(id, "stopped");
        await worker.BecomesAsync(owner, id, ScratchState.Normal);
        await spark.BeginAsync(id, Session + "print('sum', spark.range(1000).repartition(4).groupBy().sum().first()[0])");
        await spark.PrintsAsync(id, "sum 499500");
        await spark.DeleteAsync(owner, id);
    }

    [Fact, Trait("Lane", "long")]
    public async Task ScratchFolderOfHadoop_FilledByHdfs_IsToldAndEmptiedByRemovingFiles()
    {
        var hadoop = new ClusterDriver(It, "hadoop", ["master", "notebook"],
            Master("http://master:8088/ws/v1/cluster/metrics", "['clusterMetrics']['activeNodes']"), "");
        var worker = new WorkerScratch(It, 3L << 30);
        var (owner, id) = await hadoop.ReadyAsync(workers: 1);

        await hadoop.BeginAsync(id, """
            import subprocess
            for n in range(40):
                if subprocess.run(f"head -c 100M /dev/urandom | hdfs dfs -put - {n}", shell=True).returncode: break
            print("files", "too many" if n == 39 else "until it was full", flush=True)
            """);
        await worker.BecomesAsync(owner, id, ScratchState.Full, Fills);
        (await worker.ToldAsync(owner, id)).ShouldContain("delete files with hdfs dfs -rm -r -skipTrash");
        await hadoop.PrintsAsync(id, "files until it was full");

        await hadoop.BeginAsync(id, """
            import subprocess
            print("removed", subprocess.run("hdfs dfs -rm -r -skipTrash '[0-9]*'", shell=True, stdout=subprocess.DEVNULL).returncode)
            """);
        await hadoop.PrintsAsync(id, "removed 0");
        await worker.BecomesAsync(owner, id, ScratchState.Normal, Fills);
        await hadoop.BeginAsync(id, """
            import subprocess
            subprocess.run("seq 1000 | hdfs dfs -put - numbers && hadoop jar /opt/hadoop/examples.jar wordcount numbers counts", shell=True, check=True)
            print("words", subprocess.run("hdfs dfs -cat 'counts/part-r-*'", shell=True, check=True, capture_output=True, text=True).stdout.count("\n"))
            """);
        await hadoop.PrintsAsync(id, "words 1000");
        await hadoop.IsAsync(id, 1);
        await hadoop.DeleteAsync(owner, id);
    }

    private static string Master(string address, string value) =>
        $"import json, urllib.request; print(json.load(urllib.request.urlopen('{address}', timeout=5)){value})";

    public sealed class Clusters : IAsyncLifetime
    {
        public Installation It { get; private set; } = null!;

        public async ValueTask InitializeAsync() => It = await Installation.StartAsync(students: 1, ["spark", "hadoop"], Cancel);

        public async ValueTask DisposeAsync()
        {
            if (It is not null) await It.DisposeAsync();
        }
    }
}
