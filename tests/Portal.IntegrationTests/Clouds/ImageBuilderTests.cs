using System.Security.Cryptography;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>The product's recipes and small ones of our own, on the real container engine.</summary>
[Collection(nameof(PackageClients))]
public sealed class ImageBuilderTests : IAsyncLifetime
{
    private readonly string _recipes = Directory.CreateTempSubdirectory("portal-test-recipes").FullName;
    private readonly string _archives = Directory.CreateTempSubdirectory("portal-test-archives").FullName;
    private readonly List<string> _made = [];
    private readonly string _unique = CloudLab.NewId();
    private CloudLab? _lab;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private CloudLab Lab => _lab!;
    private ImageBuilder Builder => Lab.Get<ImageBuilder>();

    public ValueTask InitializeAsync()
    {
        _lab = CloudLab.Open(("Images:Recipes", _recipes), ("Images:Engines", _archives));
        Directory.CreateDirectory($"{_recipes}/base");
        // identical bytes: the same tag
        File.Copy(Path.Combine(CloudLab.Variable("PORTAL_TEST_RECIPES"), "base", "recipe.json"), $"{_recipes}/base/recipe.json");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var tag in _made)
        {
            await ContainerEngineTasks.IfThereAsync(() =>
                Lab.ContainerEngine.CallAsync(c => c.Images.DeleteImageAsync(tag, new ImageDeleteParameters { Force = true }), CancellationToken.None));
        }

        if (_lab is { } lab)
        {
            await lab.DisposeAsync();
        }

        Directory.Delete(_recipes, recursive: true);
        Directory.Delete(_archives, recursive: true);
    }

    [Fact]
    public async Task Python_OfTheProductsRecipes_IsMadeOnceAndFoundAfterwards()
    {
        await using var lab = CloudLab.Open();
        var first = await lab.Get<ImageBuilder>().EnsureAsync("python",
            new SynchronousProgress<ImageProgress>(p => TestContext.Current.SendDiagnosticMessage("{0} {1}", p.Percent ?? 0, p.Line)), Cancel);

        var found = await lab.Get<ImageBuilder>().FindAsync("python", Cancel);

        found.ShouldBe(first);
        first.Tag.ShouldMatch("^portal/python:[0-9a-f]{12}$");
        first.Id.ShouldMatch("^sha256:[0-9a-f]{64}$");
    }

    [Fact]
    public async Task Ensure_WithArchive_BuildsOnTheParentWithProgressAndLabels()
    {
        await RecipeAsync("ARG BASE\nFROM ${BASE}\nADD wheels.tar.gz /opt/\nCOPY sub/tool /usr/local/bin/\nRUN cat /opt/wheel && tool\n", archive: true);
        var percents = new List<int>();

        var image = await Builder.EnsureAsync("mine", new SynchronousProgress<ImageProgress>(p => percents.Add(p.Percent ?? 0)), Cancel);
        _made.Add(image.Tag);

        percents.ShouldBe(percents.Order());
        percents[^1].ShouldBe(100);
        var made = await Lab.ContainerEngine.CallAsync(c => c.Images.InspectImageAsync(image.Id), Cancel);
        made.Config!.Labels!["portal.image"].ShouldBe("mine");
        (await Builder.EnsureAsync("mine", Quiet(), Cancel)).ShouldBe(image);
        (await Lab.Get<Networks>().ListAsync(Lab.Owned.Mine("build"), Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Ensure_ArchiveMissing_TakesTheWayWithout()
    {
        await RecipeAsync("FROM scratch\n", archive: true, without: "ARG BASE\nFROM ${BASE}\nRUN echo of-debian-alone > /which\n");
        File.Delete($"{_archives}/wheels.tar.gz");

        var image = await Builder.EnsureAsync("mine", Quiet(), Cancel);
        _made.Add(image.Tag);

        var made = await Lab.ContainerEngine.CallAsync(c => c.Images.GetImageHistoryAsync(image.Id, Cancel), Cancel);
        made.ShouldContain(h => h.CreatedBy != null && h.CreatedBy.Contains("of-debian-alone", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Ensure_ArchiveIsAnother_IsRefusedNamingIt()
    {
        await RecipeAsync("ARG BASE\nFROM ${BASE}\nADD wheels.tar.gz /opt/\n", archive: true, without: "ARG BASE\nFROM ${BASE}\n");
        await File.AppendAllTextAsync($"{_archives}/wheels.tar.gz", "x", Cancel);

        var fault = await Should.ThrowAsync<CloudException>(() => Builder.EnsureAsync("mine", Quiet(), Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("wheels.tar.gz");
    }

    [Fact]
    public async Task Ensure_CommandFailsInMidway_IsRefusedWithTheLastLines()
    {
        await RecipeAsync("ARG BASE\nFROM ${BASE}\nRUN echo the cause; exit 3\n");

        var fault = await Should.ThrowAsync<CloudException>(() => Builder.EnsureAsync("mine", Quiet(), Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("3");
        fault.Message.ShouldContain("the cause");
        (await Builder.FindAsync("mine", Cancel)).ShouldBeNull();
        (await Lab.Get<Networks>().ListAsync(Lab.Owned.Mine("build"), Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Ensure_FileChanged_IsAnotherTag()
    {
        await RecipeAsync("ARG BASE\nFROM ${BASE}\nCOPY sub/tool /tool\n");
        var plan = await Builder.LookAsync("mine", Cancel);
        (await Builder.LookAsync("mine", Cancel)).Tag.ShouldBe(plan.Tag);

        await File.AppendAllTextAsync($"{_recipes}/mine/sub/tool", "# changed\n", Cancel);

        (await Builder.LookAsync("mine", Cancel)).Tag.ShouldNotBe(plan.Tag);
    }

    [Fact]
    public async Task Ensure_TwoInstallationsAtOnce_BothHaveIt()
    {
        await RecipeAsync("ARG BASE\nFROM ${BASE}\nRUN echo twice > /twice\n");
        await using var other = CloudLab.Open(("Images:Recipes", _recipes), ("Images:Engines", _archives));

        var images = await Task.WhenAll(Builder.EnsureAsync("mine", Quiet(), Cancel), other.Get<ImageBuilder>().EnsureAsync("mine", Quiet(), Cancel));
        _made.AddRange([images[0].Tag, images[0].Id, images[1].Id]);

        images[0].Tag.ShouldBe(images[1].Tag);
        (await Builder.FindAsync("mine", Cancel))!.Id.ShouldBeOneOf(images[0].Id, images[1].Id);
    }

    [Fact]
    public async Task Ensure_WhileBuilding_ReachesPackagesButNotThisHost()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Any, 0);
        listener.Start();
        var port = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        await RecipeAsync($$"""
            ARG BASE
            FROM ${BASE}
            RUN apt-get update -qq
            RUN gw=$(perl -ne '/^\S+\s+00000000\s+(\S+)/ and print join ".", reverse map hex, $1 =~ /../g' /proc/net/route); \
                test -n "$gw" && if timeout 3 bash -c "exec 3<>/dev/tcp/$gw/{{port}}"; then echo "the host was reached"; exit 9; fi
            """);

        // Every line that is not true fails the build.
        _made.Add((await Builder.EnsureAsync("mine", Quiet(), Cancel)).Tag);
    }

    [Fact]
    public async Task Ensure_RegistrysImageThatCannotBeHad_SaysSo()
    {
        await using var lab = CloudLab.Open(("Images:Named:python", "127.0.0.1:1/nowhere/python"));

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().EnsureAsync("python", Quiet(), Cancel));

        fault.Fault.ShouldBe(CloudFault.Unavailable);
        fault.WhatToDo.ShouldContain("registry");
    }

    [Fact]
    public async Task Ensure_RegistrysImageThatIsHere_IsTakenByItsId()
    {
        var own = await Lab.Get<ImageBuilder>().EnsureAsync("base", Quiet(), Cancel);
        await using var lab = CloudLab.Open(("Images:Named:python", own.Tag));

        var image = await lab.Get<ImageBuilder>().EnsureAsync("python", Quiet(), Cancel);
        _made.Add(image.Tag);

        image.Id.ShouldBe(own.Id);
        image.Tag.ShouldStartWith("portal/python:");
    }

    [Theory]
    [InlineData("""{"from":"debian","suite":"trixie; rm"}""", "suite")]
    [InlineData("""{"from":"debian","suite":"trixie","packages":["a b"]}""", "packages")]
    [InlineData("""{"from":"mine","dockerfile":"Dockerfile"}""", "itself")]
    [InlineData("""{"from":"base"}""", "dockerfile")]
    [InlineData("""{"from":"base","dockerfile":"../Dockerfile"}""", "plain name")]
    [InlineData("""{"from":"base","dockerfile":"Dockerfile","misspelt":1}""", "misspelt")]
    [InlineData("{", "recipe")]
    public async Task Recipe_Wrong_IsRefusedSayingWhat(string json, string word)
    {
        await RecipeAsync("FROM scratch\n");
        await File.WriteAllTextAsync($"{_recipes}/mine/recipe.json", json, Cancel);

        var fault = await Should.ThrowAsync<CloudException>(() => Builder.FindAsync("mine", Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain(word);
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("../base")]
    [InlineData("")]
    public async Task Recipe_NotThere_IsMissing(string name) =>
        (await Should.ThrowAsync<CloudException>(() => Builder.FindAsync(name, Cancel))).Fault.ShouldBe(CloudFault.Missing);

    private static SynchronousProgress<ImageProgress> Quiet() => new(_ => { });

    private async Task RecipeAsync(string dockerfile, bool archive = false, string? without = null)
    {
        Directory.CreateDirectory($"{_recipes}/mine/sub");
        await File.WriteAllTextAsync($"{_recipes}/mine/Dockerfile", dockerfile, Cancel);
        await File.WriteAllTextAsync($"{_recipes}/mine/Dockerfile.debian", without ?? "FROM scratch\n", Cancel);
        await File.WriteAllTextAsync($"{_recipes}/mine/sub/tool", $"#!/bin/sh\necho {_unique}\n", Cancel);
        File.SetUnixFileMode($"{_recipes}/mine/sub/tool", (UnixFileMode)0x1ED); // 0755
        await File.WriteAllTextAsync($"{_recipes}/mine/recipe.json",
            $$"""{"from":"base","dockerfile":"Dockerfile","archives":[{{(archive ? "\"wheels.tar.gz\"" : "")}}]"""
            + $$"""{{(without is null ? "" : ",\"without\":\"Dockerfile.debian\"")}}}""", Cancel);
        if (archive)
        {
            await File.WriteAllTextAsync($"{_archives}/wheel", "a wheel", Cancel);
            await OwnDisk.RunAsync("tar", "-czf", $"{_archives}/wheels.tar.gz", "-C", _archives, "wheel");
            var sum = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync($"{_archives}/wheels.tar.gz", Cancel)));
            await File.WriteAllTextAsync($"{_recipes}/SHA256SUMS", $"{sum}  wheels.tar.gz\n", Cancel);
        }
    }
}
