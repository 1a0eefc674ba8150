using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>
/// The product's own recipes without local archives: pip and Maven fetch every distribution that their locks name, and the images
/// compute. The indexes on loopback hold the archives' files, deflated as registries have them; files that are not a distribution of their own are in the
/// remaining one, as PySpark's jars are in its source distribution.
/// </summary>
public sealed class RecipesFromIndexesTests : IAsyncLifetime
{
    private const string CountsWithSpark = """
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.master("local[2]").getOrCreate()
        print("counted", spark.version, spark.range(1000).selectExpr("sum(id) as s").first().s)
        """;

    private readonly List<string> _made = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-fetch").FullName;
    private string? _home;
    private LocalIndex? _index;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private LocalIndex Index => _index!;

    public async ValueTask InitializeAsync()
    {
        ImageFromIndexTests.ForgetSite();
        _index = await LocalIndex.StartAsync();
        _home = LocalIndex.Home(Index.Simple, Index.Maven);
        await ServeAsync("python", "wheels");
        await ServeAsync("spark", "spark-4.1.4");
        await ServeAsync("hadoop", "hadoop-3.4.2");
    }

    public async ValueTask DisposeAsync()
    {
        await using var lab = Open();
        foreach (var tag in Enumerable.Reverse(_made))
        {
            await ContainerEngineTasks.IfThereAsync(() =>
                lab.ContainerEngine.CallAsync(c => c.Images.DeleteImageAsync(tag, new ImageDeleteParameters { Force = true }), CancellationToken.None));
        }

        await Index.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        Directory.Delete(_home!, recursive: true);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Ensure_NoArchiveButIndexes_TakesEveryVersionByNameAndHash_AndComputes()
    {
        await using var lab = Open();
        foreach (var recipe in new[] { "python", "spark", "hadoop" })
        {
            _made.Add((await lab.Get<ImageBuilder>()
                .EnsureAsync(recipe, new SynchronousProgress<ImageProgress>(p =>
                    TestContext.Current.SendDiagnosticMessage("{0} {1}", p.Percent ?? 0, p.Line)), Cancel)).Tag);
        }

        Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName).ShouldBe([".lock"], "what was fetched was kept");

        Index.Requests.Keys.Where(Index.Files.ContainsKey).ShouldBe(Index.Files.Keys, ignoreOrder: true, "a distribution of a lock was not taken");
        var hadoop = (await lab.Get<ImageBuilder>().FindAsync("hadoop", Cancel))!.Id;
        var plan = await lab.PlanAsync(nodes: await lab.NodeAsync(image: hadoop, memoryMib: 2048));
        await lab.Clusters.EnsureAsync(plan, Cancel);
        (await lab.PythonInsideAsync(plan, "notebook",
            "import dask.dataframe, distributed, pyarrow, nbgitpuller, jupyterlab; print(jupyterlab.__version__)")).Output.ShouldStartWith("4.6");
        (await lab.PythonInsideAsync(plan, "notebook", CountsWithSpark)).Output.ShouldContain("counted 4.1.4 499500");
        (await lab.InsideAsync(plan, "notebook", "hadoop", "version")).Output.ShouldContain("Hadoop 3.4.2");
    }

    private CloudLab Open() =>
        CloudLab.Open(("Images:Engines", ""), ("Images:Fetch:Folder", _folder), ("Images:Fetch:Account", "61997"), ("Images:Fetch:Home", _home));

    private async Task ServeAsync(string recipe, string name)
    {
        var told = ArchiveLock.Read(name,
            await File.ReadAllLinesAsync(Path.Combine(CloudLab.Variable("PORTAL_TEST_RECIPES"), recipe, ArchiveLock.NameOf($"{name}.tar.xz")), Cancel));
        var sources = told.Sources.ToDictionary(s => s.File, PathOf, StringComparer.Ordinal);
        var rest = new List<(string Name, byte[] Content)>();
        await foreach (var (path, content) in EntriesAsync(Path.Combine(CloudLab.Variable("PORTAL_TEST_ENGINES"), $"{name}.tar.xz")))
        {
            if (sources.Remove(Path.GetFileName(path), out var at))
            {
                Index.Files[at] = Deflated(content);
            }
            else
            {
                rest.Add((path, content));
            }
        }

        if (rest.Count > 0)
        {
            var left = sources.ShouldHaveSingleItem();
            Index.Files[left.Value] = ContentSum.IsZip(left.Key)
                ? LocalIndex.Zip([.. rest])
                : LocalIndex.TarGz(
                    [.. rest.Select(r => ($"pyspark-4.1.4/deps/{r.Name}", r.Content)),
                        ("pyspark-4.1.4/PKG-INFO", "Metadata-Version: 2.1\nName: pyspark\nVersion: 4.1.4\n"u8.ToArray())]);
            return;
        }

        sources.ShouldBeEmpty("the lock names a distribution that contributes nothing to the archive");
    }

    private static string PathOf(Distribution source) => source switch
    {
        Distribution.PyPi file => $"packages/{file.Project}/{file.File}",
        Distribution.Maven jar => $"maven/{jar.Group.Replace('.', '/')}/{jar.Artifact}/{jar.Version}/{jar.File}",
        _ => throw new InvalidOperationException($"no index provides {source}"),
    };

    private static byte[] Deflated(byte[] stored)
    {
        var entries = new List<(string Name, byte[] Content)>();
        using var zip = new ZipArchive(new MemoryStream(stored));
        foreach (var entry in zip.Entries.Where(e => !e.FullName.EndsWith('/')))
        {
            using var content = new MemoryStream();
            using (var bytes = entry.Open())
            {
                bytes.CopyTo(content);
            }

            entries.Add((entry.FullName, content.ToArray()));
        }

        return LocalIndex.Zip([.. entries]);
    }

    private static async IAsyncEnumerable<(string Path, byte[] Content)> EntriesAsync(string archive)
    {
        using var xz = Process.Start(new ProcessStartInfo("xz", ["-dc", archive]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        await using var tar = new TarReader(xz.StandardOutput.BaseStream);
        while (await tar.GetNextEntryAsync(copyData: false, Cancel) is { } entry)
        {
            if (entry.EntryType is TarEntryType.Directory)
            {
                continue;
            }

            using var content = new MemoryStream();
            await (entry.DataStream ?? Stream.Null).CopyToAsync(content, Cancel);
            yield return (entry.Name, content.ToArray());
        }

        await xz.WaitForExitAsync(Cancel);
    }
}
