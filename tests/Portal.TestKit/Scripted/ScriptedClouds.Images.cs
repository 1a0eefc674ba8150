using Portal.Jobs.Clouds;

namespace Portal.TestKit.Scripted;

/// <summary>Every image is there already.</summary>
public sealed partial class ScriptedClouds
{
    private static BuiltImage Image(string name) => new(name, $"scripted/{name}", "sha256:test");

    Task<ImageLook> IImageCloud.LookAsync(string name, CancellationToken cancel) => Task.FromResult(new ImageLook($"scripted/{name}", 1, Image(name)));

    Task<BuiltImage> IImageCloud.EnsureAsync(string name, IProgress<ImageProgress> progress, CancellationToken cancel) => Task.FromResult(Image(name));
}
