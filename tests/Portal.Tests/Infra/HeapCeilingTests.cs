namespace Portal.Tests.Infra;

/// <summary>How much memory <c>infra/run</c> gives the programs.</summary>
public sealed class HeapCeilingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-heap").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, "max", 384)] // memory of the machine in GiB, limit of the control group, resulting heap in MiB
    [InlineData(8, "max", 1024)]
    [InlineData(64, "max", 2048)]
    [InlineData(64, "4294967296", 512)]
    [InlineData(8, "9223372036854771712", 1024)]
    public async Task Ceiling_OfAMachine_IsAnEighthWithinBounds(int gib, string group, int mib)
    {
        await File.WriteAllTextAsync($"{_folder}/meminfo", $"MemTotal:       {gib << 20} kB\nMemFree:        1 kB\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync($"{_folder}/max", group + "\n", TestContext.Current.CancellationToken);

        var measured = $"memory=$(memory_mib '{_folder}/meminfo' '{_folder}/max' '{_folder}/none')";
        var (code, output) = await Script.RunAsync("settings", measured + "; memory_mib() { echo $memory; }; heap_ceiling 2048");

        (code, output).ShouldBe((0, $"0x{(long)mib << 20:x}"));
    }

    [Fact]
    public async Task Ceiling_ThatTheSiteNames_IsTaken() => (await Script.RunAsync("settings", "heap_ceiling 2048 100")).ShouldBe((0, "0x6400000"));

    [Theory]
    [InlineData("Portal.Jobs", 2048)]
    [InlineData("Portal", 4096)]
    public async Task Programs_StartedByThemselves_HaveACeiling(string program, int mib)
    {
        var file = Path.Combine(AppContext.BaseDirectory, program + ".runtimeconfig.json");
        var config = System.Text.Json.Nodes.JsonNode.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!;
        var ceiling = config["runtimeOptions"]!["configProperties"]!["System.GC.HeapHardLimit"]!.GetValue<string>();
        ceiling.ShouldBe(((long)mib << 20).ToString(System.Globalization.CultureInfo.InvariantCulture));
    }
}
