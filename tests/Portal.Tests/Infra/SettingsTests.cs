namespace Portal.Tests.Infra;

/// <summary>Which of its caller's variables <c>infra/run</c> keeps for starts that do not set them, such as after a reboot.</summary>
public sealed class SettingsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-settings").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Clients_OnlyAFileInTheHome_KeepsTheVariablesOfBefore()
    {
        Directory.CreateDirectory($"{_folder}/home/.config/pip");
        await File.WriteAllTextAsync($"{_folder}/home/.config/pip/pip.conf", "", Cancel);
        await File.WriteAllTextAsync($"{_folder}/clients.env", "https_proxy=http://proxy.example:3128\nImages__Fetch__Home=/elsewhere\n", Cancel);

        var (code, output) = await Script.RunAsync("settings", "env() { :; }; keep_clients_settings; cat $STATE/clients.env",
            [("STATE", _folder), ("HOME", $"{_folder}/home")]);

        (code, output).ShouldBe((0, $"https_proxy=http://proxy.example:3128\nImages__Fetch__Home={_folder}/home"));
    }

    [Fact]
    public async Task Clients_OtherVariables_ReplaceThose()
    {
        await File.WriteAllTextAsync($"{_folder}/clients.env", "https_proxy=http://proxy.example:3128\n", Cancel);

        var (code, output) = await Script.RunAsync("settings",
            "env() { echo PIP_INDEX_URL=http://index.example; }; keep_clients_settings; cat $STATE/clients.env", [("STATE", _folder), ("HOME", _folder)]);

        (code, output).ShouldBe((0, "PIP_INDEX_URL=http://index.example"));
    }

    /// <summary>What <c>infra/run</c> does about pip and Maven, with a list of packages that names a client which no machine has.</summary>
    [Theory]
    [InlineData("spark.tar.xz hadoop.tar.xz", "")]
    [InlineData("spark.tar.xz", "installing a-client")]
    [InlineData("", "installing a-client")]
    public async Task Clients_AreInstalled_OnlyIfAnArchiveIsMissing(string atHand, string says)
    {
        Directory.CreateDirectory($"{_folder}/infra/images");
        await File.WriteAllTextAsync($"{_folder}/infra/images/SHA256SUMS", "00  spark.tar.xz\n11  hadoop.tar.xz\n", Cancel);
        var engines = Directory.CreateDirectory($"{_folder}/engines").FullName;
        foreach (var archive in atHand.Split(' ', StringSplitOptions.RemoveEmptyEntries)) await File.WriteAllTextAsync($"{engines}/{archive}", "", Cancel);

        var (code, output) = await Script.RunAsync("common packages settings", """
            package_list() { echo "fetch a-client /no/client"; }
            step() { echo "$*"; }
            is_root() { true; }
            have() { true; }
            for name in hinder_services allow_services apt_get; do eval "$name() { true; }"; done
            get_clients
            """, [("ROOT", _folder), ("PORTAL_ENGINES", engines)]);

        (code, output).ShouldBe((0, says));
        (await File.ReadAllTextAsync(Path.Combine(Script.Root(), "infra", "run"), Cancel)).ShouldContain("  get_clients || true\n");
    }

    [Fact]
    public async Task Site_ImageWithAHyphen_IsASetting()
    {
        await File.WriteAllTextAsync($"{_folder}/settings.env", "# of the site\nImages__Named__python-gpu=registry.example/python:2\n", Cancel);

        (await Script.RunAsync("settings", "site_settings", [("STATE", _folder)])).ShouldBe((0, "Images__Named__python-gpu=registry.example/python:2"));
    }

    [Fact]
    public async Task Unit_AfterAReboot_HasTheEnvironmentOfTheCall()
    {
        var (code, output) = await Script.RunAsync("unit", "unset DOCKER_HOST; unit_environment",
            [("PORTAL_ENGINES", "/srv/\"100 %\""), ("PORTAL_POOL", "10.9.0.0/16")]);

        (code, output).ShouldBe((0, """
            Environment="PORTAL_ENGINES=/srv/\"100 %%\""
            Environment="PORTAL_POOL=10.9.0.0/16"
            """));
    }
}
