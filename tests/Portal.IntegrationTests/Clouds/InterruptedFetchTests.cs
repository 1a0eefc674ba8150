using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Docker.DotNet.Models;
using Microsoft.Extensions.Time.Testing;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.Jobs.Clouds.Docker.Images.Fetch;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>
/// An archive's packages are fetched, and something ends that too early: SIGKILL of Jobs, a package of which only a half is there, a full disk.
/// Nothing half is used, and a later try succeeds.
/// </summary>
[Collection(nameof(PackageClients))]
public sealed class InterruptedFetchTests : IAsyncLifetime
{
    /// <summary>A uid that no account on the machine has.</summary>
    private const string Account = "61996";
    private const string Archive = "thing-1.0.tar.xz", Source = "thing-1.0.tar.gz", Wheel = "my_wheel-2.0-py3-none-any.whl";

    /// <summary>Of the largest file of the archive; packed it is small.</summary>
    private const int Large = 24 << 20;

    private readonly string _recipes = Directory.CreateTempSubdirectory("portal-test-recipes").FullName;
    private readonly string _fetch = Directory.CreateTempSubdirectory("portal-test-fetch").FullName;
    private readonly string _unique = CloudLab.NewId();
    private readonly List<string> _made = [];
    private string? _home, _packages;
    private LocalIndex? _index;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private LocalIndex Index => _index!;

    public async ValueTask InitializeAsync()
    {
        ImageFromIndexTests.ForgetSite();
        _index = await LocalIndex.StartAsync();
        _home = LocalIndex.Home(Index.Simple, null);
        (string Name, string Content)[] wheel =
        [
            ("my_wheel/__init__.py", $"x = '{_unique}'"), ("my_wheel-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: my-wheel\nVersion: 2.0\n"),
            ("my_wheel-2.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"), ("my_wheel-2.0.dist-info/RECORD", ""),
        ];
        Index.Files[$"packages/my-wheel/{Wheel}"] = LocalIndex.Zip(wheel);
        Index.Files[$"packages/thing/{Source}"] = LocalIndex.TarGz(("thing-1.0/setup.py", []),
            ("thing-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"u8.ToArray()),
            ("thing-1.0/name", Encoding.UTF8.GetBytes(_unique)), ("thing-1.0/large", new byte[Large]));
        Directory.CreateDirectory($"{_recipes}/base");
        Directory.CreateDirectory($"{_recipes}/mine");
        File.Copy(Path.Combine(CloudLab.Variable("PORTAL_TEST_RECIPES"), "base", "recipe.json"), $"{_recipes}/base/recipe.json");
        await File.WriteAllTextAsync($"{_recipes}/mine/recipe.json", $$"""{"from":"base","dockerfile":"Dockerfile","archives":["{{Archive}}"]}""", Cancel);
        await File.WriteAllTextAsync($"{_recipes}/mine/Dockerfile", $"ARG BASE\nFROM ${"{BASE}"}\nADD {Archive} /opt/\n", Cancel);
        var locked = $"""
            from pypi my-wheel {Wheel}
            from pypi thing {Source}
            file {LocalIndex.Sum(_unique)} 644 thing/name
            file {Convert.ToHexStringLower(SHA256.HashData(new byte[Large]))} 644 thing/large
            file {LocalIndex.SumOfEntries(wheel)} 644 thing/{Wheel}
            """;
        await File.WriteAllTextAsync($"{_recipes}/mine/thing-1.0.lock", locked, Cancel);
        _packages = $"{_fetch}/thing-1.0@{LocalIndex.Sum(locked)[..12]}/packages";
    }

    public async ValueTask DisposeAsync()
    {
        KillClients();
        await using (var lab = CloudLab.Open(Settings))
            foreach (var tag in _made)
                await ContainerEngineTasks.IfThereAsync(() =>
                    lab.ContainerEngine.CallAsync(c => c.Images.DeleteImageAsync(tag, new ImageDeleteParameters { Force = true }), CancellationToken.None));
        await Index.DisposeAsync();
        await OwnDisk.RunAsync("umount", _fetch);
        foreach (var folder in (string[])[_recipes, _fetch, _home!]) Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Ensure_JobsIsKilledInMidFile_NothingHalfIsTaken_AndTheNextGoesOnWhereItStopped()
    {
        Index.Held = $"packages/thing/{Source}";
        await HaveAsync(Wheel);
        await using var lab = CloudLab.Open(Settings);
        await using var database = await TestDatabase.CreateAsync(Cancel);
        var jobs = await JobsAsync(lab, database);
        try
        {
            jobs.Start();
            await Until.TrueAsync("half of a file has been sent", () =>
            {
                jobs.MustRun();
                return Index.HeldRequested.IsCompleted;
            }, Cancel, TimeSpan.FromMinutes(1));
        }
        finally
        {
            jobs.Kill(); // SIGKILL; the client runs on
        }

        Process.GetProcesses().ShouldContain(p => IsClient(p.Id));
        var half = Directory.EnumerateDirectories(_fetch, "run-*", SearchOption.AllDirectories).ShouldHaveSingleItem();
        Index.Held = null;
        bool? stays = null;

        await EnsureAsync(lab, line =>
        {
            if (stays is not null || !line.StartsWith("Fetching packages", StringComparison.Ordinal)) return;
            stays = Directory.Exists(half);
            KillClients(); // of the killed process; it would ask again one day
        });

        stays.ShouldBe(false, "what the killed process had begun is removed before anything else is fetched");
        Index.Requests.Keys.ShouldNotContain($"packages/my-wheel/{Wheel}", "what was complete before is not fetched again");
        Index.Requests[$"packages/thing/{Source}"].ShouldBe(2);
        LeftOver().ShouldBeEmpty();
    }

    /// <summary>As a client leaves it that is killed while it writes, or a mirror that has lost a part of it.</summary>
    [Theory]
    [InlineData(Source)]
    [InlineData(Wheel)]
    public async Task Ensure_PackageIsOnlyHalfThere_IsRefusedOnceAndThenFetchedAgain(string package)
    {
        await HaveAsync(package, part: 0.5);
        await using (var lab = CloudLab.Open(Settings))
        {
            var fault = await Should.ThrowAsync<CloudException>(() => EnsureAsync(lab));

            fault.Message.ShouldStartWith($"Packages: {package} from a package index cannot be unpacked: ");
            fault.Fault.ShouldBe(CloudFault.Refused);
        }

        await using var again = CloudLab.Open(Settings);
        await EnsureAsync(again);
        LeftOver().ShouldBeEmpty();
    }

    [Theory]
    [InlineData(Large / 3)] // no room for its largest file
    [InlineData(Large / 3 * 4)] // room for that, but not for the archive beside it
    public async Task Ensure_DiskFillsWhileTheArchiveIsAssembled_TellsTheCause_FreesIt_AndTriesAgainLater(int room)
    {
        (await OwnDisk.RunAsync("mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", _fetch)).ShouldBe(0);
        await HaveAsync(Source);
        await HaveAsync(Wheel);
        var used = new DriveInfo(_fetch).TotalSize - new DriveInfo(_fetch).AvailableFreeSpace;
        (await OwnDisk.RunAsync("mount", "-o", $"remount,size={used + room}", _fetch)).ShouldBe(0);
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var lab = CloudLab.OpenAt(clock, Settings);

        var fault = await Should.ThrowAsync<CloudException>(() => EnsureAsync(lab));

        fault.Message.ShouldStartWith($"Packages: {Archive} could not be assembled: No space left on device");
        (fault.Fault, fault.MayPass).ShouldBe((CloudFault.Full, true));
        fault.WhatToDo.ShouldStartWith($"Free up disk space in {_fetch} (Images:Fetch:Folder)");
        new DriveInfo(_fetch).AvailableFreeSpace.ShouldBeGreaterThan(room - (64 << 10), "others may share the disk");
        Directory.EnumerateFiles(_fetch, Archive, SearchOption.AllDirectories).ShouldBeEmpty();
        (await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().LookAsync("mine", Cancel))).Message.ShouldBe(fault.Message);

        (await OwnDisk.RunAsync("mount", "-o", "remount,size=3g", _fetch)).ShouldBe(0);
        await Should.ThrowAsync<CloudException>(() => EnsureAsync(lab), "not before the wait is over");
        clock.Advance(PackageSources.First);
        await Until.TrueAsync("it can be tried again", () => MayBeMadeAsync(lab), Cancel, TimeSpan.FromMinutes(1));
        await EnsureAsync(lab);
        Index.Requests.Keys.ShouldNotContain(k => k.StartsWith("packages/", StringComparison.Ordinal), "what was fetched before serves");
        LeftOver().ShouldBeEmpty();
    }

    private static void KillClients()
    {
        foreach (var client in Process.GetProcesses().Where(p => IsClient(p.Id))) client.Kill();
    }

    private static bool IsClient(int process)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{process}/status");
            return status.Contains($"\nUid:\t{Account}\t", StringComparison.Ordinal) && !status.Contains("\nState:\tZ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has ended meanwhile
        }
    }

    private (string, string?)[] Settings => [("Images:Recipes", _recipes), ("Images:Engines", ""), ("Images:Fetch:Folder", _fetch),
        ("Images:Fetch:Account", Account), ("Images:Fetch:Home", _home)];

    /// <summary>Makes the image, which then holds the whole archive.</summary>
    private async Task EnsureAsync(CloudLab lab, Action<string>? hear = null)
    {
        var image = await lab.Get<ImageBuilder>().EnsureAsync("mine", new SynchronousProgress<ImageProgress>(p => hear?.Invoke(p.Line)), Cancel);
        _made.Add(image.Tag);
        var layers = await lab.ContainerEngine.CallAsync(c => c.Images.GetImageHistoryAsync(image.Tag, Cancel), Cancel);
        layers.Select(l => l.Size).ShouldContain(Large + _unique.Length + Index.Files[$"packages/my-wheel/{Wheel}"].Length);
    }

    private static async Task<bool> MayBeMadeAsync(CloudLab lab)
    {
        try
        {
            return (await lab.Get<ImageBuilder>().LookAsync("mine", Cancel)).PackageCheck is null;
        }
        catch (CloudException)
        {
            return false;
        }
    }

    /// <summary>Puts a package where a fetch that was interrupted later has left it.</summary>
    private Task HaveAsync(string package, double part = 1)
    {
        var whole = Index.Files.Single(f => f.Key.EndsWith($"/{package}", StringComparison.Ordinal)).Value;
        Directory.CreateDirectory(_packages!);
        return File.WriteAllBytesAsync($"{_packages}/{package}", whole[..(int)(whole.Length * part)], Cancel);
    }

    /// <summary>What is in the folder for fetching, except the lock that keeps others out of it.</summary>
    private IEnumerable<string> LeftOver() => Directory.EnumerateFileSystemEntries(_fetch).Where(f => Path.GetFileName(f) != ".lock");

    /// <summary>Jobs as a process of its own, to which a template is offered that needs the image.</summary>
    private static async Task<Child> JobsAsync(CloudLab lab, TestDatabase database)
    {
        var folder = Path.GetDirectoryName(lab.Mounts)!;
        await File.WriteAllTextAsync(Path.Combine(folder, "key"), new string('a', 64), Cancel);
        Directory.CreateDirectory(Path.Combine(folder, "templates", "mine"));
        var template = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates", "notebook", "template.yaml"), Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, "templates", "mine", "template.yaml"), template
            .Replace("id: notebook", "id: mine", StringComparison.Ordinal).Replace("image: python", "image: mine", StringComparison.Ordinal), Cancel);
        await using (var db = database.Open())
        {
            var none = new Dictionary<string, string>(StringComparer.Ordinal);
            db.TemplateVersions.Add(new()
            {
                Id = CloudLab.New(),
                TemplateId = "mine",
                Hash = new('a', 64),
                Spec = new("mine", "Mine", "", "engine", "1", [new("s", "Small", "", 1, 512)], [new("notebook", "mine", ["start"], none, null)], []),
            });
            await db.SaveChangesAsync(Cancel);
        }

        var settings = lab.Settings.Where(s => s.Value is not null).ToDictionary(s => s.Key, s => s.Value!, StringComparer.Ordinal);
        foreach (var (key, value) in ((string, string)[])[("ConnectionStrings:portal", database.Jobs), ("Installation:KeyFile", Path.Combine(folder, "key")),
            ("Site:PublicUrl", "http://portal.localhost:1"), ("Site:AppsDomain", "apps.localhost"), ("Site:ConnectTo", "127.0.0.1:1"),
            ("Jobs:Socket", Path.Combine(folder, "jobs.sock")), ("Catalog:Templates", Path.Combine(folder, "templates")),
            ("Catalog:Store", Path.Combine(folder, "published"))])
            settings[key] = value;
        return new("Portal.Jobs.dll", Path.Combine(folder, "jobs.log"), settings);
    }
}
