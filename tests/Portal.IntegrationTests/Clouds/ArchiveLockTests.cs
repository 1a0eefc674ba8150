using System.Diagnostics;
using System.Formats.Tar;
using System.Security.Cryptography;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Compares the recipes' locks and checksums with the archives themselves: what is assembled from package indexes is what the archives hold.</summary>
public sealed class ArchiveLockTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static string Recipes => CloudLab.Variable("PORTAL_TEST_RECIPES");

    [Fact, Trait("Lane", "long")]
    public Task Wheels_AreWhatTheirLockSays() => CompareAsync("python", "wheels");

    [Fact, Trait("Lane", "long")]
    public Task Spark_IsWhatItsLockSays() => CompareAsync("spark", "spark-4.1.4");

    [Fact, Trait("Lane", "long")]
    public Task Hadoop_IsWhatItsLockSays() => CompareAsync("hadoop", "hadoop-3.4.2");

    private static async Task CompareAsync(string recipe, string name)
    {
        var archive = Path.Combine(CloudLab.Variable("PORTAL_TEST_ENGINES"), $"{name}.tar.xz");
        var told = ArchiveLock.Read(name, await File.ReadAllLinesAsync(Path.Combine(Recipes, recipe, ArchiveLock.NameOf($"{name}.tar.xz")), Cancel));

        await using (var bytes = File.OpenRead(archive))
            (await File.ReadAllLinesAsync(Path.Combine(Recipes, "SHA256SUMS"), Cancel))
                .ShouldContain($"{Convert.ToHexStringLower(await SHA256.HashDataAsync(bytes, Cancel))}  {name}.tar.xz");
        var seen = new List<LockedFile>();
        using var xz = Process.Start(new ProcessStartInfo("xz", ["-dc", archive]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        await using (var tar = new TarReader(xz.StandardOutput.BaseStream))
            while (await tar.GetNextEntryAsync(copyData: true, Cancel) is { } entry)
            {
                if (entry.EntryType is TarEntryType.Directory) continue;
                entry.EntryType.ShouldBeOneOf(TarEntryType.RegularFile, TarEntryType.V7RegularFile);
                seen.Add(new(await ContentSum.OfAsync(entry.Name, entry.DataStream ?? Stream.Null, Cancel), entry.Mode, entry.Name));
            }
        await xz.WaitForExitAsync(Cancel);

        seen.Order(Comparer<LockedFile>.Create((a, b) => string.CompareOrdinal(a.Path, b.Path)))
            .ShouldBe(told.Files.OrderBy(f => f.Path, StringComparer.Ordinal));
        told.Sources.ShouldNotBeEmpty();
    }
}
