using System.Diagnostics;
using System.Text;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>
/// Archives that are not available locally: Debian's pip and Maven fetch what their locks name,
/// from servers on loopback that the clients know only by their own
/// configuration, and the real container engine builds an image from it.
/// </summary>
[Collection(nameof(PackageClients))]
public sealed class ImageFromIndexTests : IAsyncLifetime
{
    /// <summary>A uid that no account on the machine has.</summary>
    private const string Account = "61999";

    private readonly string _recipes = Directory.CreateTempSubdirectory("portal-test-recipes").FullName;
    private readonly string _fetch = Directory.CreateTempSubdirectory("portal-test-fetch").FullName;
    private readonly string _unique = CloudLab.NewId();
    private readonly List<string> _made = [];
    private readonly List<string> _lines = [];
    private readonly string _home = Directory.CreateTempSubdirectory("portal-test-home").FullName;
    private LocalIndex? _index;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private LocalIndex Index => _index!;
    private string Mark => $"{_fetch}/code-of-a-package-ran";
    private (string Name, string Content)[] Jar => [("a/A.class", "class A"), ("META-INF/MANIFEST.MF", $"of {_unique}")];

    private static readonly (string Name, string Content)[] Wheel =
    [
        ("my_wheel/__init__.py", "x = 1"), ("my_wheel-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: my-wheel\nVersion: 2.0\n"),
        ("my_wheel-2.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"), ("my_wheel-2.0.dist-info/RECORD", ""),
    ];

    /// <summary>The machine's own pip configuration, which these tests override.</summary>
    internal static void ForgetSite()
    {
        foreach (var name in (string[])["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_PROXY", "http_proxy",
            "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    public async ValueTask InitializeAsync()
    {
        ForgetSite();
        Directory.CreateDirectory($"{_recipes}/base");
        Directory.CreateDirectory($"{_recipes}/mine");
        File.Copy(Path.Combine(CloudLab.Variable("PORTAL_TEST_RECIPES"), "base", "recipe.json"), $"{_recipes}/base/recipe.json");
        await File.WriteAllTextAsync($"{_recipes}/mine/recipe.json", """{"from":"base","dockerfile":"Dockerfile","archives":["thing-1.0.tar.xz"]}""", Cancel);
        // Every line that is not true fails the build.
        await File.WriteAllTextAsync($"{_recipes}/mine/Dockerfile", $"""
            ARG BASE
            FROM ${"{BASE}"}
            ADD thing-1.0.tar.xz /opt/
            RUN cd /opt/thing && test "$(cat data/page.html)" = "page {_unique}" && test "$(stat -c %a run)" = 755 && test "$(./run)" = "{_unique}" \
             && test "$(ls lib | tr '\n' ' ')" = "my_wheel-2.0-py3-none-any.whl nested.jar other-3.1.jar " && test "$(find . -type f | wc -l)" = 5
            """, Cancel);
        await File.WriteAllTextAsync($"{_recipes}/mine/thing-1.0.lock", $"""
            from pypi thing thing-1.0.tar.gz
            from pypi my-wheel my_wheel-2.0-py3-none-any.whl
            from maven org.example.some other 3.1
            from maven org.example.some pages 3.1 tests
            file {LocalIndex.Sum(Script)} 755 thing/run
            file {LocalIndex.Sum($"page {_unique}")} 644 thing/data/page.html
            file {LocalIndex.SumOfEntries(Jar)} 644 thing/lib/nested.jar
            file {LocalIndex.SumOfEntries(Wheel)} 644 thing/lib/my_wheel-2.0-py3-none-any.whl
            file {LocalIndex.SumOfEntries(("other/B.class", "class B"))} 644 thing/lib/other-3.1.jar
            """, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await using var lab = Open();
        foreach (var tag in _made)
        {
            await ContainerEngineTasks.IfThereAsync(() =>
                lab.ContainerEngine.CallAsync(c => c.Images.DeleteImageAsync(tag, new ImageDeleteParameters { Force = true }), CancellationToken.None));
        }

        if (_index is not null)
        {
            await _index.DisposeAsync();
        }

        foreach (var folder in (string[])[_recipes, _fetch, _home])
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ensure_PipAndMavenReachAMirror_PutsTogetherWhatTheLockNames(bool html)
    {
        await ServeAsync(html);
        await using var lab = Open();

        var image = await EnsureAsync(lab);

        (await lab.Get<ImageBuilder>().FindAsync("mine", Cancel)).ShouldBe(image);
        _lines.ShouldContain(l => l.StartsWith("Fetching packages: ", StringComparison.Ordinal) && l.EndsWith(" of 4", StringComparison.Ordinal));
        File.Exists(Mark).ShouldBeFalse("the source distribution's setup.py ran");
        LeftOver().ShouldBeEmpty();
    }

    [Fact, Trait("Lane", "long")]
    public async Task Ensure_MirrorsWantCredentials_TakesThemFromTheClientsFiles()
    {
        await ServeAsync();
        Index.Credentials = "reader:s3cret";
        await using var without = Open();
        (await FailAsync(without)).Message.ShouldContain("pip cannot fetch it: the package server rejects its credentials");

        Home(Index.Simple.Replace("://", "://reader:s3cret@", StringComparison.Ordinal), Index.Maven,
            moreMaven: "<servers><server><id>site</id><username>reader</username><password>s3cret</password></server></servers>");
        await using var lab = Open();

        await EnsureAsync(lab);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Ensure_OnlyAProxyKnowsTheMirrors_GoesThroughIt()
    {
        await ServeAsync();
        var at = Index.Address;
        Home("http://packages.test/simple", "http://packages.test/maven", $"trusted-host = packages.test\nproxy = {at}",
            $"<proxies><proxy><active>true</active><protocol>http</protocol><host>{at.Host}</host><port>{at.Port}</port></proxy></proxies>");
        await using var lab = Open();

        await EnsureAsync(lab);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Ensure_EnvironmentNamesPipsFile_ItCounts()
    {
        await ServeAsync();
        var named = Path.Combine(_home, "elsewhere.conf");
        Home(null, Index.Maven);
        await File.WriteAllTextAsync(named, $"[global]\nindex-url = {Index.Simple}\n", Cancel);
        Environment.SetEnvironmentVariable("PIP_CONFIG_FILE", named);
        try
        {
            await using var lab = Open();

            await EnsureAsync(lab);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PIP_CONFIG_FILE", null);
        }
    }

    [Fact]
    public async Task Ensure_MirrorHasAnotherFileUnderTheName_IsRefusedNamingWhatIsMissing()
    {
        await ServeAsync();
        Index.Files["maven/org/example/some/other/3.1/other-3.1.jar"] = LocalIndex.Zip(("other/B.class", "class B, with something added"));
        await using var lab = Open();

        var fault = await FailAsync(lab);

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("thing/lib/other-3.1.jar");
        LeftOver().ShouldBeEmpty();
        (await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().FindAsync("mine", Cancel))).Message.ShouldBe(fault.Message);
    }

    [Fact]
    public async Task Ensure_MirrorLacksAVersion_NamesTheFile_AndGoesOnWhereItStoppedOnceItIsThere()
    {
        await ServeAsync();
        Index.Files.TryRemove("maven/org/example/some/pages/3.1/pages-3.1-tests.jar", out var pages);
        await using (var lab = Open())
        {
            var fault = await FailAsync(lab);
            fault.Message.ShouldContain("Maven cannot fetch it: the package server does not have it");
            fault.WhatToDo.ShouldContain("settings.xml");
        }

        Directory.CreateDirectory($"{Directory.GetDirectories(_fetch).Single()}/run-of-a-killed-process"); // it leaves this, and half a copy
        await File.WriteAllTextAsync($"{Directory.GetDirectories(_fetch).Single()}/packages/other-3.1.jar.part", "half", Cancel);
        Index.Files["maven/org/example/some/pages/3.1/pages-3.1-tests.jar"] = pages!;
        await using var again = Open();

        await EnsureAsync(again);

        Index.Requests["packages/thing/thing-1.0.tar.gz"].ShouldBe(1);
        Index.Requests["maven/org/example/some/other/3.1/other-3.1.jar"].ShouldBe(1);
        LeftOver().ShouldBeEmpty();
    }

    [Fact]
    public async Task Ensure_ClientIsKilledInMidFile_NothingHalfIsTaken_AndTheNextFetchSucceeds()
    {
        await ServeAsync();
        Index.Held = "packages/thing/thing-1.0.tar.gz";
        await using (var lab = Open())
        {
            var failing = FailAsync(lab);
            await Index.HeldRequested.WaitAsync(TimeSpan.FromMinutes(3), TimeProvider.System, Cancel);
            Process.GetProcesses().Single(p => IsPip(p.Id)).Kill(); // SIGKILL
            (await failing).Message.ShouldContain("pip cannot fetch it");
        }

        Index.Held = null;
        await using var again = Open();
        await EnsureAsync(again);
    }

    [Fact]
    public async Task Ensure_CancelledInMidFile_EndsTheClientAndTakesItsFolderAway()
    {
        await ServeAsync();
        Index.Held = "packages/thing/thing-1.0.tar.gz";
        await using var lab = Open();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var building = lab.Get<ImageBuilder>().EnsureAsync("mine", Quiet(), cancel.Token);
        await Index.HeldRequested.WaitAsync(TimeSpan.FromMinutes(3), TimeProvider.System, Cancel);

        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => building);
        await Until.TrueAsync("the client has ended", () => Task.FromResult(!Process.GetProcesses().Any(p => IsPip(p.Id))), Cancel);
        Directory.EnumerateDirectories(_fetch, "run-*", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    [Fact]
    public async Task Look_NothingAnswers_IsUnavailableWithWhatHelps_AndNamesNoHost()
    {
        Home("http://127.0.0.1:1/simple", "http://127.0.0.1:1/maven");
        await using var lab = Open();

        ((await lab.Get<ImageBuilder>().LookAsync("mine", Cancel)).PackageCheck is null).ShouldBeFalse("a look waited for a server");
        var fault = await FailAsync(lab);

        fault.Fault.ShouldBe(CloudFault.Unavailable);
        fault.Message.ShouldBe("Packages: thing-1.0.tar.xz is missing, and pip cannot fetch it: no package server responds.");
        fault.WhatToDo.ShouldBe(
            "Configure a mirror or proxy in /etc/pip.conf (index-url, proxy), or put thing-1.0.tar.xz "
            + "into the folder that PORTAL_ENGINES (Images:Engines) names; "
            + "pip is tried again when that changes, and periodically.");
    }

    [Fact, Trait("Lane", "long")]
    public async Task Look_RecipeHasAWayWithout_TakesItWhileNothingAnswers_AndTheWholeOneOnceAMirrorIsNamed()
    {
        await ServeAsync();
        await File.WriteAllTextAsync($"{_recipes}/mine/recipe.json",
            """{"from":"base","dockerfile":"Dockerfile","archives":["thing-1.0.tar.xz"],"without":"Dockerfile"}""", Cancel);
        Home("http://127.0.0.1:1/simple", Index.Maven);
        await using var lab = Open();
        var without = await LookAsync(lab);

        Home(Index.Simple, Index.Maven);
        var whole = without;
        await Until.TrueAsync("the mirror is noticed", async () => (whole = await LookAsync(lab)).Tag != without.Tag, Cancel, TimeSpan.FromMinutes(3));

        whole.There.ShouldBeNull();
        (await EnsureAsync(lab)).Tag.ShouldBe(whole.Tag);
        Home("http://127.0.0.1:1/simple", Index.Maven);
        await using var offline = Open();
        (await LookAsync(offline)).Tag.ShouldBe(whole.Tag, "images built from fetched packages stay in use when they can no longer be fetched");
    }

    [Fact]
    public async Task Look_NothingIsToBeFetched_IsUnavailableWithWhatWouldHelp()
    {
        await using var lab = CloudLab.Open(("Images:Recipes", _recipes), ("Images:Engines", ""));

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().LookAsync("mine", Cancel));

        fault.Message.ShouldContain("thing-1.0.tar.xz");
        fault.WhatToDo.ShouldContain("PORTAL_ENGINES");
        fault.WhatToDo.ShouldContain("Images:Fetch:Folder");
    }

    [Theory]
    [InlineData("from pypi ../x thing-1.0.tar.gz")]
    [InlineData("from pypi thing thing.whl")]
    [InlineData("from maven org.example thing")]
    [InlineData("file 00 644 thing/run")]
    [InlineData("file 0000000000000000000000000000000000000000000000000000000000000000 644 thing/../../run")]
    [InlineData("file 0000000000000000000000000000000000000000000000000000000000000000 644 /thing/run")]
    [InlineData("anything else")]
    public async Task Look_LockIsWrong_IsRefusedNamingTheLine(string line)
    {
        await File.WriteAllTextAsync($"{_recipes}/mine/thing-1.0.lock", $"# a remark\n{line}\n", Cancel);
        await using var lab = Open();

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().LookAsync("mine", Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("thing-1.0.lock, line 2");
    }

    private string Script => $"#!/bin/sh\necho {_unique}\n";

    private static SynchronousProgress<ImageProgress> Quiet() => new(_ => { });

    private static bool IsPip(int process)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{process}/status");
            return status.Contains($"\nUid:\t{Account}\t", StringComparison.Ordinal) && !status.Contains("\nState:\tZ", StringComparison.Ordinal)
                && File.ReadAllText($"/proc/{process}/comm").StartsWith("python3", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has ended in the meantime
        }
    }

    private CloudLab Open() =>
        CloudLab.Open(("Images:Recipes", _recipes), ("Images:Engines", ""), ("Images:Fetch:Folder", _fetch), ("Images:Fetch:Account", Account),
            ("Images:Fetch:Home", _home));

    private async Task<BuiltImage> EnsureAsync(CloudLab lab)
    {
        var image = await lab.Get<ImageBuilder>().EnsureAsync("mine", new SynchronousProgress<ImageProgress>(p => _lines.Add(p.Line)), Cancel);
        _made.Add(image.Tag);
        return image;
    }

    private static Task<CloudException> FailAsync(CloudLab lab) =>
        Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().EnsureAsync("mine", Quiet(), Cancel));

    private static async Task<ImageLook> LookAsync(CloudLab lab)
    {
        var look = await lab.Get<ImageBuilder>().LookAsync("mine", Cancel);
        while (look.PackageCheck is { } check)
        {
            await check.WaitAsync(Cancel);
            look = await lab.Get<ImageBuilder>().LookAsync("mine", Cancel);
        }

        return look;
    }

    /// <summary>Contents of the folder for fetching, except the lock that keeps others out of it.</summary>
    private IEnumerable<string> LeftOver() => Directory.EnumerateFileSystemEntries(_fetch).Where(f => Path.GetFileName(f) != ".lock");

    /// <summary>Changes the clients' configuration.</summary>
    private void Home(string? simple, string? maven, string morePip = "", string moreMaven = "")
    {
        var fresh = LocalIndex.Home(simple, maven, morePip, moreMaven);
        foreach (var part in (string[])[".config", ".m2"])
        {
            if (Directory.Exists($"{_home}/{part}"))
            {
                Directory.Delete($"{_home}/{part}", recursive: true);
            }

            if (Directory.Exists($"{fresh}/{part}"))
            {
                Directory.Move($"{fresh}/{part}", $"{_home}/{part}");
            }
        }

        Directory.Delete(fresh, recursive: true);
    }

    /// <summary>As registries provide it: deflated, in other folders, with libraries of other systems and unwanted files.</summary>
    private async Task ServeAsync(bool html = false)
    {
        _index = await LocalIndex.StartAsync(html);
        Home(Index.Simple, Index.Maven);
        Index.Files["packages/thing/thing-1.0.tar.gz"] =
            LocalIndex.TarGz(("thing-1.0/setup.py", Encoding.UTF8.GetBytes($"open('{Mark}', 'w')\n")),
                ("thing-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"u8.ToArray()),
                ("thing-1.0/deps/bin/run", Encoding.UTF8.GetBytes(Script)), ("thing-1.0/deps/jars/nested.jar", LocalIndex.Zip(Jar)));
        Index.Files["packages/my-wheel/my_wheel-2.0-py3-none-any.whl"] = LocalIndex.Zip(Wheel);
        Index.Files["maven/org/example/some/other/3.1/other-3.1.jar"] =
            LocalIndex.Zip(("other/B.class", "class B"), ("native/windows/b.dll", "not for us"), ("native/osx/libb.dylib", "nor this"));
        Index.Files["maven/org/example/some/pages/3.1/pages-3.1-tests.jar"] =
            LocalIndex.Zip(("webapps/page.html", $"page {_unique}"), ("other.html", "not asked for"));
    }
}
