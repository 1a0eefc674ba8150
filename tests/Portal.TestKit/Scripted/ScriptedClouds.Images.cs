using Portal.Core.Clouds;
using Portal.Jobs.Clouds;

namespace Portal.TestKit.Scripted;

/// <summary>As a cloud of its own, in which every image is there already.</summary>
public sealed partial class ScriptedClouds
{
    /// <summary>Cores of its host.</summary>
    public int Vcpus { get; set; } = 1000;

    public CloudKit Kit(string key) =>
        new(key, key, new(key, "scripted", key), this, this, this, this, new(System.Net.IPNetwork.Parse("10.211.0.0/16"), "Clouds:Docker:Pool"));

    /// <summary>As another project of the local cloud.</summary>
    public CloudKit PoolKit(string key) =>
        Kit(key) with { Cloud = new(LocalCloud.Key, LocalCloud.Kind, LocalCloud.Title), Credential = key };

    private static BuiltImage Image(string name) => new(name, $"scripted/{name}", "sha256:test");

    Task<ImageLook> IImageCloud.LookAsync(string name, CancellationToken cancel) => Task.FromResult(new ImageLook($"scripted/{name}", 1, Image(name)));

    Task<BuiltImage> IImageCloud.EnsureAsync(string name, IProgress<ImageProgress> progress, CancellationToken cancel) => Task.FromResult(Image(name));
}
