using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Catalog;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.Jobs.Clouds.Docker.Images.Fetch;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>How pip and Maven are called: what a running client was given, and whom it asks, as a server that never answers sees it.</summary>
[Trait("Lane", "long")]
[Collection(nameof(PackageClients))]
public sealed partial class ClientCallsTests : IAsyncLifetime
{
    /// <summary>A uid that no account on the machine has.</summary>
    private const int Account = 61995;
    private const string Archive = "thing-1.0.tar.xz";
    private static readonly ArchiveLock OfPip = new([new Distribution.PyPi("thing", "thing-1.0.tar.gz")], []);
    private static readonly ArchiveLock OfMaven = new([new Distribution.Maven("org.example", "thing", "1.0", null)], []);

    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-fetch").FullName;
    private readonly string _home = Directory.CreateTempSubdirectory("portal-test-home").FullName;
    private readonly Dictionary<string, string?> _environment = new(StringComparer.Ordinal);
    private readonly SilentServer _silent = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        ImageFromIndexTests.ForgetSite();
        File.SetUnixFileMode(_folder, (UnixFileMode)0x1C9); // 0711: the clients' account reaches what is below
        foreach (var name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(n => OfASite().IsMatch(n)).ToList()) Set(name, null);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (name, before) in _environment) Environment.SetEnvironmentVariable(name, before);
        await _silent.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        Directory.Delete(_home, recursive: true);
    }

    /// <summary>The network timeout is 5 s; the server measures it, because starting Maven also takes seconds.</summary>
    [Theory]
    [InlineData("pip", "pypi thing thing-1.0.tar.gz", "/simple/thing/", "/etc/pip.conf (index-url, proxy)")]
    [InlineData("Maven", "maven org.example thing 1.0", "/maven/org/example/thing/1.0/thing-1.0.pom", "/etc/maven/settings.xml (mirrors, proxies)")]
    public async Task Server_AcceptsAndStaysSilent_IsAskedOnceFor5Seconds_AndTheTemplateIsGreyWithWhatHelps(
        string client, string source, string request, string where)
    {
        Configure($"{_silent.Address}/simple", $"{_silent.Address}/maven/");
        await RecipeAsync(source);
        await using var lab = Lab();
        await using var database = await TestDatabase.CreateAsync(Cancel);

        var (spec, row) = await RoundAsync(lab, database);

        Availability.Reason(spec, [row]).ShouldBe(
            $"Its image could not be built. Packages: {Archive} is missing, and {client} cannot fetch it: no package server responds. "
            + "The Operations page says how to fix it.");
        row.Remedy.ShouldBe($"Configure a mirror or proxy in {where}, or put {Archive} into the folder that PORTAL_ENGINES (Images:Engines) names; "
            + $"{client} is tried again when that changes, and periodically.");
        _silent.Requests.ShouldBe([$"GET {request} HTTP/1.1"]);
        await Until.TrueAsync("the client has hung up", () => Task.FromResult(!_silent.Waits.IsEmpty), Cancel);
        _silent.Waits.ShouldHaveSingleItem().ShouldBeInRange(TimeSpan.FromSeconds(4.9), TimeSpan.FromSeconds(8));
    }

    /// <summary>Only a proxy is configured, which hears where pip wants to go.</summary>
    [Fact]
    public async Task Check_NoIndexIsConfigured_PipIsToldNone_AndGoesToItsOwnDefault()
    {
        Set("https_proxy", _silent.Address);

        await WhileAskingAsync("pip", (arguments, environment) =>
        {
            arguments.ShouldBe(["/usr/bin/python3", "-I", "-m", "pip", "index", "versions", "-vv", "--timeout", "5", "--retries", "0",
                "--no-binary", ":all:", "--ignore-requires-python", "--pre", "thing"]);
            environment.Keys.Order(StringComparer.Ordinal).ShouldBe(["HOME", "LC_ALL", "PATH", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_CACHE_DIR",
                "PIP_NO_INPUT", "PIP_REQUIRE_VIRTUALENV", "TMPDIR", "https_proxy"]);
            Directory.EnumerateFiles(environment["HOME"], "*", SearchOption.AllDirectories).ShouldBeEmpty();
        });

        _silent.Requests.ShouldBe([$"CONNECT {new Uri(await DefaultOfPipAsync()).Host}:443 HTTP/1.0"]);
    }

    [Fact]
    public async Task Check_NoMirrorIsConfigured_MavenIsToldNone_AndGoesToItsOwnDefault()
    {
        File.WriteAllText(Path.Combine(Directory.CreateDirectory($"{_home}/.m2").FullName, "settings.xml"),
            $"<settings><proxies><proxy><protocol>https</protocol><host>127.0.0.1</host><port>{_silent.Port}</port></proxy></proxies></settings>");

        await WhileAskingAsync("Maven", (arguments, environment) =>
        {
            var run = Path.GetDirectoryName(environment["HOME"])!;
            string[] given = [.. arguments.SkipWhile(a => !a.EndsWith(".Launcher", StringComparison.Ordinal)).Skip(1)];
            given[..^1].ShouldBe(["-B", "-U", "-s", $"{run}/home/.m2/settings.xml", "-f", $"{run}/pom.xml", "-Dmaven.repo.local=/usr/share/maven-repo",
                $"-Duser.home={run}/home", $"-Dsettings.security={run}/home/.m2/settings-security.xml", "-Dstyle.color=never",
                "-Daether.connector.connectTimeout=5000", "-Daether.connector.requestTimeout=5000", "-Dmaven.wagon.rto=5000",
                "-Dmaven.wagon.http.retryHandler.count=0"]);
            given[^1].ShouldMatch("^org.apache.maven.plugins:maven-dependency-plugin:[0-9.]+:copy$");
            environment.Keys.Except(["MAVEN_CMD_LINE_ARGS", "MAVEN_PROJECTBASEDIR", "OLDPWD", "PWD"], StringComparer.Ordinal) // of mvn itself
                .Order(StringComparer.Ordinal).ShouldBe(["HOME", "LC_ALL", "MAVEN_OPTS", "PATH", "TMPDIR"]);
            environment["MAVEN_OPTS"].Trim().ShouldBe("-Xmx512m");
            XDocument.Load($"{run}/pom.xml").Descendants().Select(e => e.Name.LocalName)
                .ShouldNotContain(n => n.EndsWith("epositories", StringComparison.Ordinal));
        });

        _silent.Requests.ShouldBe([$"CONNECT {new Uri(DefaultOfMaven()).Host}:443 HTTP/1.1"]);
    }

    [Fact]
    public async Task Check_EnvironmentNamesTheIndex_PipGoesThere()
    {
        await using var index = await LocalIndex.StartAsync();
        index.Files["packages/thing/thing-1.0.tar.gz"] = [1];
        Configure(_silent.Address, null);
        Set("PIP_INDEX_URL", index.Simple);

        await LookAsync<FetchState.Possible>(Open(), "pip");

        (index.Requests["simple/thing/"], _silent.Requests.Count).ShouldBe((1, 0));
    }

    /// <summary>settings.xml may refer to properties, which a site sets in this variable.</summary>
    [Fact]
    public async Task Check_EnvironmentHasOptionsForMaven_MavenTakesThem()
    {
        await using var index = await LocalIndex.StartAsync();
        index.Files["maven/org/example/thing/1.0/thing-1.0.jar"] = [1];
        Configure(null, "${site.mirror}");
        Set("MAVEN_OPTS", $"-Dsite.mirror={index.Maven}");

        await LookAsync<FetchState.Possible>(Open(), "Maven");

        index.Requests["maven/org/example/thing/1.0/thing-1.0.pom"].ShouldBe(1);
    }

    [Fact]
    public async Task Look_ArchiveIsAtHand_NobodyIsAsked()
    {
        Configure($"{_silent.Address}/simple", null);
        await RecipeAsync("pypi thing thing-1.0.tar.gz");
        await File.WriteAllTextAsync($"{_folder}/{Archive}", "an archive", Cancel);
        await File.WriteAllTextAsync($"{Recipes}/SHA256SUMS", $"{Convert.ToHexStringLower(SHA256.HashData("an archive"u8))}  {Archive}\n", Cancel);
        await using var lab = Lab(engines: _folder);

        var look = await lab.Get<ImageBuilder>().LookAsync("mine", Cancel);

        look.PackageCheck.ShouldBeNull();
        look.Tag.ShouldStartWith("portal/mine:");
        Directory.Exists(Fetch).ShouldBeFalse();
        _silent.Requests.ShouldBeEmpty();
    }

    private string Recipes => $"{_folder}/recipes";
    private string Fetch => $"{_folder}/fetch";

    private PackageSources Open() => new(new ImagesOptions { Fetch = { Folder = Fetch, Account = Account, Home = _home } },
        new FakeTimeProvider(TimeProvider.System.GetUtcNow()), NullLoggerFactory.Instance);

    private CloudLab Lab(string engines = "") => CloudLab.Open(("Images:Recipes", Recipes), ("Images:Engines", engines),
        ("Images:Fetch:Folder", Fetch), ("Images:Fetch:Account", $"{Account}"), ("Images:Fetch:Home", _home));

    /// <summary>An image with an archive that has this distribution.</summary>
    private async Task RecipeAsync(string source)
    {
        foreach (var recipe in (string[])["base", "mine"]) Directory.CreateDirectory($"{Recipes}/{recipe}");
        File.Copy(Path.Combine(CloudLab.Variable("PORTAL_TEST_RECIPES"), "base", "recipe.json"), $"{Recipes}/base/recipe.json");
        await File.WriteAllTextAsync($"{Recipes}/mine/recipe.json", $$"""{"from":"base","dockerfile":"Dockerfile","archives":["{{Archive}}"]}""", Cancel);
        await File.WriteAllTextAsync($"{Recipes}/mine/Dockerfile", $"ARG BASE\nFROM ${"{BASE}"}\nADD {Archive} /opt/\n", Cancel);
        await File.WriteAllTextAsync($"{Recipes}/mine/thing-1.0.lock", $"from {source}\n", Cancel);
    }

    /// <summary>Jobs' own check of the images of offered templates, until the image has failed.</summary>
    private static async Task<(TemplateSpec Spec, ImageRow Row)> RoundAsync(CloudLab lab, TestDatabase database)
    {
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        var spec = new TemplateSpec("mine", "Mine", "", "engine", "1", [new("s", "Small", "", 1, 512)], [new("notebook", "mine", ["start"], none, null)], []);
        await using (var db = database.Open())
        {
            db.TemplateVersions.Add(new() { Id = CloudLab.New(), TemplateId = "mine", Hash = new('a', 64), Spec = spec });
            await db.SaveChangesAsync(Cancel);
        }

        await using var services = new ServiceCollection().AddSingleton(NpgsqlDataSource.Create(database.Jobs))
            .AddDbContextFactory<PortalDb>((all, db) => PortalData.Configure(db, all.GetRequiredService<NpgsqlDataSource>())).BuildServiceProvider();
        using var builds = new ImageBuilds(services.GetRequiredService<IDbContextFactory<PortalDb>>(), new CloudKits([lab.Kit(LocalCloud.Key)]),
            TimeProvider.System, NullLogger<ImageBuilds>.Instance);
        await builds.StartAsync(Cancel);
        ImageRow? row = null;
        await Until.TrueAsync("the packages were asked for", async () =>
        {
            await using var db = database.Open();
            return (row = await db.Images.SingleOrDefaultAsync(i => i.State == ImageState.Failed, Cancel)) is not null;
        }, Cancel, TimeSpan.FromMinutes(1));
        await builds.StopAsync(Cancel);
        return (spec, row!);
    }

    private static FetchState Look(PackageSources sources, string client) => sources.Look(Archive, client, client == "pip" ? OfPip : OfMaven);

    private static async Task<T> LookAsync<T>(PackageSources sources, string client)
        where T : FetchState
    {
        while (Look(sources, client) is FetchState.Checking check) await check.Answer.WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, Cancel);
        return Look(sources, client).ShouldBeOfType<T>();
    }

    /// <summary>Looks at the arguments and the environment of the client that waits for the silent server.</summary>
    private async Task WhileAskingAsync(string client, Action<string[], Dictionary<string, string>> look)
    {
        var checking = Look(Open(), client).ShouldBeOfType<FetchState.Checking>();
        await _silent.Asked.WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, Cancel);
        var process = Process.GetProcesses().Where(p => IsClient(p.Id)).ShouldHaveSingleItem().Id;
        look(Words($"/proc/{process}/cmdline"),
            Words($"/proc/{process}/environ").Select(w => w.Split('=', 2)).ToDictionary(w => w[0], w => w[1], StringComparer.Ordinal));
        await checking.Answer.WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, Cancel);
    }

    private static string[] Words(string file) => File.ReadAllText(file).Split('\0', StringSplitOptions.RemoveEmptyEntries);

    private static bool IsClient(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/status").Contains($"\nUid:\t{Account}\t", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has ended meanwhile
        }
    }

    /// <summary>Where pip goes on this machine by itself, told by pip.</summary>
    private async Task<string> DefaultOfPipAsync()
    {
        using var python = Process.Start(new ProcessStartInfo("/usr/bin/python3",
            ["-I", "-c", "from pip._internal.commands import create_command; print(create_command('index').parser.get_default_values().index_url)"])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment = { ["HOME"] = _home },
        })!;
        return (await python.StandardOutput.ReadToEndAsync(Cancel)).Trim();
    }

    /// <summary>From the file that every project of Maven begins with.</summary>
    private static string DefaultOfMaven()
    {
        using var jar = ZipFile.OpenRead(Directory.EnumerateFiles("/usr/share/maven/lib", "maven-model-builder*.jar").First());
        using var content = jar.GetEntry("org/apache/maven/model/pom-4.0.0.xml")!.Open();
        return XDocument.Load(content).Descendants().First(e => e.Name.LocalName == "repository").Elements().Single(e => e.Name.LocalName == "url").Value;
    }

    private void Set(string name, string? value)
    {
        _environment[name] = _environment.GetValueOrDefault(name) ?? Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable(name, value);
    }

    [GeneratedRegex("^(PIP_|MAVEN_|JAVA_HOME$|SSL_CERT_|REQUESTS_CA_|CURL_CA_|NETRC$)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex OfASite();

    private void Configure(string? simple, string? maven)
    {
        var fresh = LocalIndex.Home(simple, maven);
        foreach (var part in Directory.EnumerateDirectories(fresh)) Directory.Move(part, Path.Combine(_home, Path.GetFileName(part)));
        Directory.Delete(fresh);
    }
}
