using System.Diagnostics;
using System.Formats.Tar;
using System.Net;
using System.Net.Sockets;
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

/// <summary>A site with a registry names its images instead of having them built: Debian's docker-registry, on loopback.</summary>
public sealed class RegistryTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-registry").FullName;
    private readonly CloudLab _lab = CloudLab.Open();
    private readonly List<string> _made = [];
    private readonly int _port = FreePort();
    private Process? _registry;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private string Repository => $"127.0.0.1:{_port}/site/python";

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync($"{_folder}/config.yml",
            $"{{version: 0.1, log: {{level: error}}, "
            + $"storage: {{filesystem: {{rootdirectory: {_folder}/images}}}}, http: {{addr: '127.0.0.1:{_port}'}}}}", Cancel);
        var start = new ProcessStartInfo("docker-registry", ["serve", $"{_folder}/config.yml"])
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            RedirectStandardOutput = true
        };
        start.Environment["OTEL_TRACES_EXPORTER"] = "none";
        _registry = Process.Start(start)!;
        _registry.BeginErrorReadLine();
        _registry.BeginOutputReadLine();
        using var http = new HttpClient();
        await Until.TrueAsync("the registry answers", async () =>
        {
            try { return (await http.GetAsync($"http://127.0.0.1:{_port}/v2/", Cancel)).IsSuccessStatusCode; }
            catch (HttpRequestException) { return false; }
        }, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        _registry?.Kill();
        _registry?.Dispose();
        foreach (var tag in _made) await RemoveAsync(tag);
        await _lab.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Ensure_ImageOfARegistry_IsFetchedAndStaysWhenTheRegistryGoes()
    {
        var id = await PushAsync("2");
        await using var lab = Named($"{Repository}:2");
        (await lab.Get<ImageBuilder>().FindAsync("python", Cancel)).ShouldBeNull();
        var told = new List<ImageProgress>();

        var image = await lab.Get<ImageBuilder>().EnsureAsync("python", new SynchronousProgress<ImageProgress>(told.Add), Cancel);
        _made.Add(image.Tag);

        image.Id.ShouldBe(id);
        image.Tag.ShouldMatch("^portal/python:[0-9a-f]{12}$");
        told.ShouldNotBeEmpty();
        _registry!.Kill();
        (await lab.Get<ImageBuilder>().EnsureAsync("python", new SynchronousProgress<ImageProgress>(_ => { }), Cancel)).ShouldBe(image);
    }

    [Fact]
    public async Task Ensure_NameWithoutTag_FetchesTheLatestAlone()
    {
        var id = await PushAsync("latest");
        await PushAsync("old");
        await using var lab = Named(Repository);

        var image = await lab.Get<ImageBuilder>().EnsureAsync("python", new SynchronousProgress<ImageProgress>(_ => { }), Cancel);
        _made.Add(image.Tag);

        image.Id.ShouldBe(id);
        (await lab.ContainerEngine.CallAsync(c => c.Images.ListImagesAsync(new ImagesListParameters(), Cancel), Cancel))
            .SelectMany(i => i.RepoTags ?? [])
            .ShouldNotContain($"{Repository}:old");
    }

    [Fact]
    public async Task Ensure_OtherName_IsAnotherImage()
    {
        var (old, next) = (await PushAsync("1"), await PushAsync("2"));
        foreach (var (tag, id) in new[] { ("1", old), ("2", next) })
        {
            await using var lab = Named($"{Repository}:{tag}");
            var image = await lab.Get<ImageBuilder>().EnsureAsync("python", new SynchronousProgress<ImageProgress>(_ => { }), Cancel);
            _made.Add(image.Tag);
            image.Id.ShouldBe(id);
        }
    }

    // The container engine reports it in the middle of a 200 response, and the call returns as if all were well.
    [Fact]
    public async Task Ensure_LayerThatIsDamaged_IsAFaultAndNoImage()
    {
        await PushAsync("2");
        var layer = Directory.EnumerateFiles($"{_folder}/images", "data", SearchOption.AllDirectories).MaxBy(f => new FileInfo(f).Length)!;
        var bytes = await File.ReadAllBytesAsync(layer, Cancel);
        bytes[bytes.Length / 2] ^= 0xFF;
        await File.WriteAllBytesAsync(layer, bytes, Cancel);
        await using var lab = Named($"{Repository}:2");

        var fault = await Should.ThrowAsync<CloudException>(() =>
            lab.Get<ImageBuilder>().EnsureAsync("python", new SynchronousProgress<ImageProgress>(_ => { }), Cancel));

        fault.WhatToDo.ShouldNotBeEmpty();
        fault.Message.ShouldContain($"{Repository}:2");
        (await lab.Get<ImageBuilder>().FindAsync("python", Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Ensure_NameThatTheRegistryDoesNotHave_SaysSo()
    {
        await using var lab = Named($"{Repository}:3");

        var fault = await Should.ThrowAsync<CloudException>(() =>
            lab.Get<ImageBuilder>().EnsureAsync("python", new SynchronousProgress<ImageProgress>(_ => { }), Cancel));

        fault.Message.ShouldContain($"{Repository}:3");
        fault.WhatToDo.ShouldContain("Images:Named");
    }

    [Fact, Trait("Lane", "long")]
    public async Task Notebook_OfTheRegistrysImage_AnswersAndComputes()
    {
        var python = await _lab.PythonAsync();
        await _lab.ContainerEngine.CallAsync(c =>
            c.Images.TagImageAsync(python, new ImageTagParameters { RepositoryName = Repository, Tag = "real" }, Cancel), Cancel);
        await PushOnlyAsync("real");
        await using var lab = Named($"{Repository}:real");
        var image = await lab.Get<ImageBuilder>().EnsureAsync("python", new SynchronousProgress<ImageProgress>(_ => { }), Cancel);
        _made.Add(image.Tag);
        var node = await lab.NodeAsync(image: image.Id, memoryMib: 512, command: ["start-notebook"]);
        var plan = await lab.PlanAsync(nodes: node with { Secrets = new Dictionary<string, string>(StringComparer.Ordinal) { ["TOKEN"] = "a-token" } });

        await lab.Clusters.EnsureAsync(plan, Cancel);

        await Eventually.HoldsAsync(async () =>
            (await lab.PythonInsideAsync(plan, "notebook", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8888/api')")).Code == 0,
            "the notebook answers", 60);
        (await lab.PythonInsideAsync(plan, "notebook", """
            from jupyter_client.manager import start_new_kernel
            manager, kernel = start_new_kernel()
            kernel.execute_interactive("print(6 * 7)")
            manager.shutdown_kernel(now=True)
            """)).Output.ShouldContain("42");
    }

    private static CloudLab Named(string reference) => CloudLab.Open(("Images:Named:python", reference));

    /// <summary>A unique image, in the registry and no longer here; its id.</summary>
    private async Task<string> PushAsync(string tag)
    {
        var name = $"{Repository}:{tag}";
        var root = new MemoryStream();
        await using (var tar = new TarWriter(root, leaveOpen: true))
            await tar.WriteEntryAsync(
                new PaxTarEntry(TarEntryType.RegularFile, "mine")
                {
                    DataStream = new MemoryStream(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 200).Select(_ => CloudLab.NewId()))))
                }, Cancel);
        root.Position = 0;
        var messages = new List<JSONMessage>();
        await _lab.ContainerEngine.CallAsync(c =>
            c.Images.CreateImageAsync(new ImagesCreateParameters { FromSrc = "-", Repo = Repository, Tag = tag }, root, null,
                new SynchronousProgress<JSONMessage>(messages.Add), Cancel), Cancel);
        var id = (await _lab.ContainerEngine.CallAsync(c => c.Images.InspectImageAsync(name, Cancel), Cancel)).ID;
        messages.Select(s => s.Error?.Message).ShouldAllBe(e => e == null);
        await PushOnlyAsync(tag);
        return id;
    }

    /// <summary>Pushes it to the registry and removes its local name.</summary>
    private async Task PushOnlyAsync(string tag)
    {
        var messages = new List<JSONMessage>();
        await _lab.ContainerEngine.CallAsync(c =>
            c.Images.PushImageAsync(Repository, new ImagePushParameters { Tag = tag }, new AuthConfig(),
                new SynchronousProgress<JSONMessage>(messages.Add), Cancel), Cancel);
        messages.Select(s => s.Error?.Message).ShouldAllBe(e => e == null);
        await RemoveAsync($"{Repository}:{tag}");
    }

    private Task RemoveAsync(string tag) =>
        ContainerEngineTasks.IfThereAsync(() =>
            _lab.ContainerEngine.CallAsync(c => c.Images.DeleteImageAsync(tag, new ImageDeleteParameters { Force = true }), CancellationToken.None));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
