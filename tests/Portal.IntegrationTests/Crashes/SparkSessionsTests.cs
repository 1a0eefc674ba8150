using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

public sealed class SparkSite : IAsyncLifetime
{
    public Installation It { get; private set; } = null!;

    public async ValueTask InitializeAsync() => It = await Installation.StartAsync(students: 1, ["spark"], TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (It is not null) await It.DisposeAsync();
    }
}

/// <summary>Several notebooks at the same time, each with its own Spark session: in one workspace, and in two of one person.</summary>
public sealed class SparkSessionsTests(SparkSite site) : IClassFixture<SparkSite>
{
    private static readonly TimeSpan Computes = TimeSpan.FromMinutes(5);

    /// <summary>A session in its own process; the file of a step starts that step, and its output can be waited for.</summary>
    private const string Session = """
        import os, time
        os.environ["PYSPARK_SUBMIT_ARGS"] = "--properties-file /tmp/spark.conf pyspark-shell"
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        spark.sparkContext.setLogLevel("OFF")
        def say(*words): print(*words, flush=True)
        def wait(step):
            while not os.path.exists(f"/tmp/{step}"): time.sleep(.2)
        def hosts():
            return sorted(e.host() for e in spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos() if e.host() != "notebook")
        def tables(*names): return sorted(t.name for t in spark.catalog.listTables() if t.name in names)
        def compute(n=8):
            def slow(n):
                time.sleep(.2)
                return n
            return spark.sparkContext.parallelize(range(n), n).map(slow).sum()

        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private ClusterDriver Spark => new(site.It, "spark", ["master", "notebook"],
        "import json, urllib.request\nprint(json.load(urllib.request.urlopen('http://master:8080/json/', timeout=5))['aliveworkers'])", "print(0)");

    /// <summary>One worker with one core, the smallest possible.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task Sessions_ThreeOnOneCore_AllComputeWhileEachGoesOn()
    {
        var (owner, id) = await Spark.ReadyAsync(workers: 1);
        // Each computes until all three have said that they do: a session that had to wait for another's end would wait forever.
        string[] names = ["a", "b", "c"];
        foreach (var name in names) await BeginAsync(id, name, Session + """
            while not os.path.exists("/tmp/enough"): say("computes", compute(), hosts())
            say("ended")
            """);
        foreach (var name in names) await PrintsAsync(id, name, "computes 28 ['worker0']");
        await TouchAsync(id, "enough");
        foreach (var name in names) await PrintsAsync(id, name, "ended");
        await Spark.DeleteAsync(owner, id);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Tables_OfOneSession_AreThoseOfEveryOtherOneAndOfAnotherWorkspaceAndStay()
    {
        var (owner, id) = await Spark.ReadyAsync(workers: 1);
        await BeginAsync(id, "a", Session + """
            spark.range(1000).write.saveAsTable("mine")
            say("saved")
            wait("b-saved")
            say("sees", spark.table("theirs").count())
            """);
        await PrintsAsync(id, "a", "saved");
        await BeginAsync(id, "b", Session + """
            say("sees", spark.table("mine").count())
            spark.range(7).selectExpr("id", "id * 2 as twice").write.partitionBy("id").saveAsTable("theirs")
            say("saved")
            """);
        await PrintsAsync(id, "b", "sees 1000");
        await PrintsAsync(id, "b", "saved");
        await TouchAsync(id, "b-saved");
        await PrintsAsync(id, "a", "sees 7");

        // Another workspace of the same person, while the first one's sessions are open.
        var (_, other) = await Spark.ReadyAsync(workers: 1);
        await BeginAsync(other, "c", Session + """
            say("sees", spark.table("mine").count(), spark.table("theirs").where("id = 3").count(), tables("mine", "theirs"))
            spark.sql("drop table theirs")
            spark.sql("create view small as select * from mine where id < 10")
            say("dropped")
            """);
        await PrintsAsync(other, "c", "sees 1000 1 ['mine', 'theirs']");
        await PrintsAsync(other, "c", "dropped");
        await BeginAsync(id, "d", Session + """
            say("sees", spark.table("small").count(), tables("mine", "theirs", "small"))
            """);
        await PrintsAsync(id, "d", "sees 10 ['mine', 'small']");
        await Spark.DeleteAsync(owner, id);
        await Spark.DeleteAsync(owner, other);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Catalog_WorkFolderFull_IsReadAndNotHarmed()
    {
        var (owner, id) = await Spark.ReadyAsync(workers: 1);
        await BeginAsync(id, "a", Session + """
            spark.range(1000).write.mode("overwrite").saveAsTable("kept")
            say("saved")
            """);
        await PrintsAsync(id, "a", "saved");
        string[] fill = ["sh", "-c", "cd /home/student/work; dd if=/dev/zero of=fill bs=1M; dd if=/dev/zero of=rest bs=4k"];
        (await site.It.Lab.Clusters.ExecuteAsync(id, "notebook", fill, Cancel)).Output.ShouldContain("Disk quota exceeded");
        await BeginAsync(id, "b", Session + """
            say("reads", spark.table("kept").count())
            try:
                spark.range(1000000).write.saveAsTable("late")
                say("wrote")
            except Exception as e: say("refused")
            say("has", tables("kept", "late"), spark.table("kept").count())
            for file in ("fill", "rest"):
                if os.path.exists(f"/home/student/work/{file}"): os.remove(f"/home/student/work/{file}")
            spark.range(5).write.mode("overwrite").saveAsTable("late")
            say("later", spark.table("late").count())
            """);
        await PrintsAsync(id, "b", "reads 1000");
        await PrintsAsync(id, "b", "refused");
        await PrintsAsync(id, "b", "has ['kept'] 1000");
        await PrintsAsync(id, "b", "later 5");
        await Spark.DeleteAsync(owner, id);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Session_WhileWorkersComeAndGo_HasAnExecutorOnEach()
    {
        var (owner, id) = await Spark.ReadyAsync(workers: 1);
        await BeginAsync(id, "a", Session + """
            while True:
                say("computes", compute(), hosts())
                time.sleep(.5)
            """);
        await PrintsAsync(id, "a", "computes 28 ['worker0']");
        await Spark.ResizeAsync(owner, id, workers: 2);
        await PrintsAsync(id, "a", "computes 28 ['worker0', 'worker1']");
        await BeginAsync(id, "b", Session + "say('computes', compute(16), hosts())\nwait('enough')");
        await PrintsAsync(id, "b", "computes 120 ['worker0', 'worker1']");
        await Spark.DeleteAsync(owner, id);
    }

    private async Task BeginAsync(Guid id, string name, string program) =>
        (await site.It.Lab.Clusters.ExecuteAsync(id, "notebook",
            ["sh", "-c", "nohup python3 -c \"$1\" > /tmp/said-$0 2>&1 < /dev/null &", name, program], Cancel)).ExitCode.ShouldBe(0);

    private async Task TouchAsync(Guid id, string step) => await site.It.Lab.Clusters.ExecuteAsync(id, "notebook", ["touch", $"/tmp/{step}"], Cancel);

    private async Task PrintsAsync(Guid id, string name, string line)
    {
        var output = "";
        try
        {
            await Until.TrueAsync($"session {name} says {line}", async () =>
            {
                output = (await site.It.Lab.Clusters.ExecuteAsync(id, "notebook", ["tail", "-n", "40", $"/tmp/said-{name}"], Cancel)).Output;
                if (output.Contains("Traceback", StringComparison.Ordinal)) throw new InvalidOperationException($"Session {name} ended: {output}");
                return output.Split('\n', StringSplitOptions.TrimEntries).Contains(line, StringComparer.Ordinal);
            }, Cancel, Computes);
        }
        catch (TimeoutException e) { throw new TimeoutException($"{e.Message} It said: {output}", e); }
    }
}
