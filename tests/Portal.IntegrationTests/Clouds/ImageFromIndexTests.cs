using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Archives that are not at hand, put together by their locks from indexes on loopback, and built into an image by the real engine.</summary>
public sealed class ImageFromIndexTests : IAsyncLifetime
{
    private readonly string _recipes = Directory.CreateTempSubdirectory("portal-test-recipes").FullName;
    private readonly string _unique = CloudLab.NewId();
    private readonly List<string> _made = [];
    private LocalIndex? _index;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private LocalIndex Index => _index!;
    private (string Name, string Content)[] Jar => [("a/A.class", "class A"), ("META-INF/MANIFEST.MF", $"of {_unique}")];

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory($"{_recipes}/base");
        Directory.CreateDirectory($"{_recipes}/mine");
        File.Copy(Path.Combine(CloudLab.Variable("PORTAL_TEST_RECIPES"), "base", "recipe.json"), $"{_recipes}/base/recipe.json");
        await File.WriteAllTextAsync($"{_recipes}/mine/recipe.json", """{"from":"base","dockerfile":"Dockerfile","archives":["thing-1.0.tar.xz"]}""", Cancel);
        // Every line of it that does not hold fails the build.
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
            file {LocalIndex.SumOfEntries(("my_wheel/__init__.py", "x = 1"))} 644 thing/lib/my_wheel-2.0-py3-none-any.whl
            file {LocalIndex.SumOfEntries(("other/B.class", "class B"))} 644 thing/lib/other-3.1.jar
            """, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await using var lab = Open();
        foreach (var tag in _made)
        {
            await EngineTasks.IfThereAsync(() => lab.Engine.AskAsync(c => c.Images.DeleteImageAsync(tag, new ImageDeleteParameters { Force = true }), CancellationToken.None));
        }

        if (_index is not null)
        {
            await _index.DisposeAsync();
        }

        Directory.Delete(_recipes, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ensure_ArchiveNotHereButIndexesAre_PutsTogetherWhatTheLockNames(bool html)
    {
        await ServeAsync(html);
        await using var lab = Open();

        var image = await lab.Get<ImageBuilder>().EnsureAsync("mine", Quiet(), Cancel);
        _made.Add(image.Tag);

        (await lab.Get<ImageBuilder>().FindAsync("mine", Cancel)).ShouldBe(image);
    }

    [Fact]
    public async Task Ensure_IndexHasAnotherFileUnderTheName_IsRefusedNamingWhatIsMissing()
    {
        await ServeAsync(html: false);
        Index.Files["maven/org/example/some/other/3.1/other-3.1.jar"] = LocalIndex.Zip(("other/B.class", "class B, with something added"));
        await using var lab = Open();

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().EnsureAsync("mine", Quiet(), Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("thing/lib/other-3.1.jar");
        (await lab.Get<ImageBuilder>().FindAsync("mine", Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Ensure_IndexLacksAVersion_IsRefusedNamingTheFile()
    {
        await ServeAsync(html: false);
        Index.Files.TryRemove("packages/thing/thing-1.0.tar.gz", out _);
        Index.Files["packages/thing/thing-0.9.tar.gz"] = [1];
        await using var lab = Open();

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().EnsureAsync("mine", Quiet(), Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("thing-1.0.tar.gz");
    }

    [Fact]
    public async Task Ensure_IndexDoesNotAnswer_IsAway()
    {
        await using var lab = CloudLab.Open(("Images:Recipes", _recipes), ("Images:Engines", ""), ("Images:Index", "http://127.0.0.1:1/simple"), ("Images:Maven", "http://127.0.0.1:1/maven"));

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().EnsureAsync("mine", Quiet(), Cancel));

        fault.Fault.ShouldBe(CloudFault.Away);
        fault.WhatToDo.ShouldContain("Images:Index");
    }

    [Fact]
    public async Task Look_NeitherArchiveNorEveryIndex_IsRefusedWithWhatWouldHelp()
    {
        await ServeAsync(html: false);
        await using var lab = CloudLab.Open(("Images:Recipes", _recipes), ("Images:Engines", ""), ("Images:Index", Index.Simple));

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().LookAsync("mine", Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("thing-1.0.tar.xz");
        fault.WhatToDo.ShouldContain("PORTAL_ENGINES");
        fault.WhatToDo.ShouldContain("Images:Named");
    }

    [Theory]
    [InlineData("from pypi ../x thing.whl")]
    [InlineData("from maven org.example thing")]
    [InlineData("file 00 644 thing/run")]
    [InlineData("file 0000000000000000000000000000000000000000000000000000000000000000 644 thing/../../run")]
    [InlineData("file 0000000000000000000000000000000000000000000000000000000000000000 644 /thing/run")]
    [InlineData("anything else")]
    public async Task Look_LockIsWrong_IsRefusedNamingTheLine(string line)
    {
        await ServeAsync(html: false);
        await File.WriteAllTextAsync($"{_recipes}/mine/thing-1.0.lock", $"# a remark\n{line}\n", Cancel);
        await using var lab = Open();

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ImageBuilder>().LookAsync("mine", Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("thing-1.0.lock, line 2");
    }

    private string Script => $"#!/bin/sh\necho {_unique}\n";

    private static AtOnce<ImageProgress> Quiet() => new(_ => { });

    private CloudLab Open() => CloudLab.Open(("Images:Recipes", _recipes), ("Images:Engines", ""), ("Images:Index", _index?.Simple), ("Images:Maven", _index?.Maven));

    /// <summary>As registries have it: deflated, under folders of their own, with libraries of other systems and files that nobody asked for.</summary>
    private async Task ServeAsync(bool html)
    {
        _index = await LocalIndex.StartAsync(html);
        Index.Files["packages/thing/thing-1.0.tar.gz"] = LocalIndex.TarGz(("thing-1.0/setup.py", "print()"u8.ToArray()), ("thing-1.0/deps/bin/run", System.Text.Encoding.UTF8.GetBytes(Script)), ("thing-1.0/deps/jars/nested.jar", LocalIndex.Zip(Jar)));
        Index.Files["packages/my-wheel/my_wheel-2.0-py3-none-any.whl"] = LocalIndex.Zip(("my_wheel/__init__.py", "x = 1"));
        Index.Files["maven/org/example/some/other/3.1/other-3.1.jar"] = LocalIndex.Zip(("other/B.class", "class B"), ("native/windows/b.dll", "not for us"), ("native/osx/libb.dylib", "nor this"));
        Index.Files["maven/org/example/some/pages/3.1/pages-3.1-tests.jar"] = LocalIndex.Zip(("webapps/page.html", $"page {_unique}"), ("other.html", "not asked for"));
    }
}
