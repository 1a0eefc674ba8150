using Portal.Jobs.Clouds;

namespace Portal.TestKit.Scripted;

/// <summary>As a cloud of its own, in which every image is there already.</summary>
public sealed partial class ScriptedClouds
{
    public CloudKit Kit(string key) => new(key, "scripted", key, this, this, this, this, new(System.Net.IPNetwork.Parse("10.211.0.0/16")));

    private static BuiltImage Image(string name) => new(name, $"scripted/{name}", "sha256:test");

    Task<ImageLook> IImageCloud.LookAsync(string name, CancellationToken cancel) => Task.FromResult(new ImageLook($"scripted/{name}", 1, Image(name)));

    Task<BuiltImage> IImageCloud.EnsureAsync(string name, IProgress<ImageProgress> progress, CancellationToken cancel) => Task.FromResult(Image(name));
}
