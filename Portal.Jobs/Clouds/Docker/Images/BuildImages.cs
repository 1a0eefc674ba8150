using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>
/// <c>--build-images NAME…</c>: builds images as the portal does, but without its database, for whoever needs them outside a pool. Prints one line
/// <c>name=reference</c> per image; progress goes to the error output. Needs the settings of the container engine and of images, and <c>Installation:Id</c>.
/// </summary>
public static class BuildImages
{
    public static async Task<int> RunAsync(IServiceProvider services, string[] names, TextWriter say, TextWriter progress, CancellationToken cancel)
    {
        if (names.Length == 0)
        {
            await progress.WriteLineAsync("Usage: Portal.Jobs --build-images <recipe>…");
            return 2;
        }

        foreach (var name in names)
        {
            try
            {
                var image = await EnsureAsync(services.GetRequiredService<IImageCloud>(), name, new Lines(name, progress), cancel);
                await say.WriteLineAsync($"{name}={image.Tag}");
            }
            catch (CloudException e)
            {
                await progress.WriteLineAsync($"Image {name} could not be built: {e.Message} {e.WhatToDo}");
                return 1;
            }
        }

        return 0;
    }

    /// <summary>Only once, if the answer whether packages can be fetched changes between the plan and the build.</summary>
    private static async Task<BuiltImage> EnsureAsync(IImageCloud images, string name, Lines progress, CancellationToken cancel)
    {
        try
        {
            return await images.EnsureAsync(name, progress, cancel);
        }
        catch (CloudException e) when (e is { Service: PackageFaults.Service, Fault: CloudFault.Unavailable })
        {
            return await images.EnsureAsync(name, progress, cancel);
        }
    }

    /// <summary>A line each time the percentage changes.</summary>
    private sealed class Lines(string name, TextWriter progress) : IProgress<ImageProgress>
    {
        private int _percent = -1;

        public void Report(ImageProgress value)
        {
            if (value.Percent is { } percent && percent > _percent) progress.WriteLine($"{name} {_percent = percent} % {value.Line}");
        }
    }
}
