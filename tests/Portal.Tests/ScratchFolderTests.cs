using System.Xml.Linq;
using Portal.Jobs.Catalog;
using Portal.Jobs.Steps;
using Portal.Tests.Infra;

namespace Portal.Tests;

/// <summary>
/// Compute engines put what grows into the scratch folder, which alone is limited, watched and shown. Dask and Slurm fill theirs in
/// ScratchTests; the images of Spark and Hadoop are not built there.
/// </summary>
public sealed class ScratchFolderTests
{
    [Fact]
    public void EveryRole_OfEveryShippedTemplate_HasOneAndWorkersSayHowToEmptyIt()
    {
        var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates"), "template.yaml", SearchOption.AllDirectories);
        foreach (var role in files.SelectMany(f => TemplateFile.Read(f, File.ReadAllBytes(f)).Spec!.Roles.Select(r => (File: f, Role: r))))
        {
            role.Role.ScratchGib.ShouldBeGreaterThan(0, $"{role.Role.Name} in {role.File}");
            (role.Role.Workers is null || role.Role.ScratchRemedy is { Length: > 40 }).ShouldBeTrue($"{role.Role.Name} in {role.File}");
        }
    }

    /// <summary>The start script itself, with a java that prints what it is given.</summary>
    [Theory]
    [InlineData("worker", "worker0")]
    [InlineData("master", "master")]
    public async Task Spark_KeepsShuffleFilesAndApplicationsThere(string role, string node)
    {
        const string Commands = """
            images=$LIB/../images here=$(mktemp -d)
            trap 'rm -rf "$here"' EXIT
            mkdir "$here/bin" "$here/tmp"
            printf '#!/bin/sh\nprintf "%%s\\n" "$SPARK_LOCAL_DIRS" "$TMPDIR" "$@"\n' > "$here/bin/java" && chmod +x "$here/bin/java"
            sed "s|/tmp/|$here/tmp/|g" "$images/python/lib/node" > "$here/node"
            sed -e "s|/usr/local/lib/portal/node|$here/node|; s|/usr/local/lib/portal/spark-sizes|$images/spark/lib/spark-sizes|; s|^ *wait_for .*||" \
              "$images/spark/bin/start-spark" > "$here/start"
            export HOME=$here/tmp SCRATCH=$here/scratch SPARK_HOME=/opt/spark PORTAL_NODE=$NODE PATH=$here/bin:$PATH
            bash "$here/start" "$ROLE" | sed "s|$here||g"
            """;

        var (code, output) = await Script.RunAsync("common", Commands, ("ROLE", role), ("NODE", node));

        code.ShouldBe(0, output);
        var lines = output.Split('\n');
        lines[..2].ShouldBe([$"{ClusterPlans.ScratchFolder}/spark", $"{ClusterPlans.ScratchFolder}/temporary"]);
        if (role == "worker") lines[Array.IndexOf(lines, "--work-dir") + 1].ShouldBe($"{ClusterPlans.ScratchFolder}/spark/applications");
    }

    [Fact]
    public void Hadoop_KeepsBlocksContainersAndLogsThere()
    {
        var folder = Path.Combine(Script.Root(), "infra", "images", "hadoop", "etc");
        var properties = Directory.GetFiles(folder, "*-site.xml").SelectMany(f => XDocument.Load(f).Descendants("property"))
            .ToDictionary(p => p.Element("name")!.Value, p => p.Element("value")!.Value, StringComparer.Ordinal);
        foreach (var name in (string[])["dfs.namenode.name.dir", "dfs.datanode.data.dir", "hadoop.tmp.dir", "yarn.nodemanager.local-dirs",
            "yarn.nodemanager.log-dirs"])
            properties[name].ShouldStartWith($"${{env.SCRATCH:-{ClusterPlans.ScratchFolder}}}/", customMessage: name);
        // In HDFS.
        properties.Keys.Where(n => n.EndsWith("dir", StringComparison.Ordinal) || n.EndsWith("dirs", StringComparison.Ordinal))
            .Except(["yarn.app.mapreduce.am.staging-dir"], StringComparer.Ordinal).Count().ShouldBe(5);
    }
}
