using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// The images of nodes come with the server image, so that no server has to fetch a gigabyte before it is ready. What it brings is in its properties in
/// Glance: <c>portal_image_NAME</c> with the image's id in the server's container engine, and <c>portal_tag_NAME</c> for people.
/// </summary>
internal sealed class ServerImages(Nova nova, ServerOptions options) : IImageCloud
{
    private const string Image = "portal_image_", Tag = "portal_tag_";

    public async Task<ImageLook> LookAsync(string name, CancellationToken cancel)
    {
        var properties = await nova.ImagePropertiesAsync(cancel);
        if (properties.GetValueOrDefault(Image + name) is not { Length: > 0 } id) throw Missing(name);
        var tag = properties.GetValueOrDefault(Tag + name) ?? name;
        return new(tag, 1, new(name, tag, id));
    }

    /// <summary>Names of all images that the server image brings; refused if there is none.</summary>
    public async Task<IReadOnlyList<string>> NamesAsync(CancellationToken cancel)
    {
        List<string> names = [.. (await nova.ImagePropertiesAsync(cancel)).Keys.Where(k => k.StartsWith(Image, StringComparison.Ordinal))
            .Select(k => k[Image.Length..]).Order(StringComparer.Ordinal)];
        return names.Count > 0 ? names : throw Missing("python");
    }

    public async Task<BuiltImage> EnsureAsync(string name, IProgress<ImageProgress> progress, CancellationToken cancel) =>
        (await LookAsync(name, cancel)).There ?? throw Missing(name);

    private CloudException Missing(string name) => new(Services.Glance, CloudFault.Refused, $"the server image {options.Image} does not bring the image {name}",
        $"Build a server image with it, upload it, and set its property {Image}{name} to the id that docker image inspect shows on it.");
}
