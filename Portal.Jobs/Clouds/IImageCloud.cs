using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds;

/// <summary>Where a pool's nodes get their images. Every error is a <see cref="CloudException"/>.</summary>
public interface IImageCloud
{
    /// <summary>What exists of an image and what is missing: quick, creates nothing. Throws like <see cref="EnsureAsync"/> for a recipe that is
    /// wrong or incomplete.</summary>
    Task<ImageLook> LookAsync(string name, CancellationToken cancel);

    /// <summary>
    /// The image; what is missing is made or pulled, which takes minutes. Faults: Refused for a wrong recipe, archive or build (retry only after
    /// something changed), Unavailable for something that cannot be reached, Full for a disk.
    /// </summary>
    Task<BuiltImage> EnsureAsync(string name, IProgress<ImageProgress> progress, CancellationToken cancel);
}

/// <param name="Name">Name of the recipe.</param>
/// <param name="Tag">For people: name and hash of the recipe and its inputs.</param>
/// <param name="Id">What nodes are made from in this pool: opaque to everybody else.</param>
public sealed record BuiltImage(string Name, string Tag, string Id);

/// <param name="Tag">The tag it has or will have.</param>
/// <param name="Depth">Number of images in its chain, including itself; 0 for a registry image.</param>
/// <param name="There">The image; null if it must still be built or pulled.</param>
public sealed record ImageLook(string Tag, int Depth, BuiltImage? There)
{
    /// <summary>It is pulled, not built.</summary>
    public bool OfRegistry => Depth == 0 && PackageCheck is null;

    /// <summary>Set while checking whether packages can be fetched: completes when that is known; until then nothing else here is valid.</summary>
    public Task? PackageCheck { get; init; }
}

/// <param name="Percent">0 to 100 of everything to be made for the requested image, never decreasing; null if unknown.</param>
/// <param name="Line">What is being done, in plain language.</param>
public sealed record ImageProgress(int? Percent, string Line);
