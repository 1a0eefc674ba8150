using Microsoft.Extensions.Options;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>Section <c>Images</c>.</summary>
public sealed class ImagesOptions
{
    public const string Section = "Images";

    /// <summary>Folder of recipes, one folder per image, and SHA256SUMS of the archives.</summary>
    public string Recipes { get; set; } = "";

    /// <summary>Folder of archives that are not in Debian; if empty or an archive is missing, the
    /// recipe's variant with Debian packages alone is used.</summary>
    public string Engines { get; set; } = "";

    /// <summary>How packages for archives that are not in <see cref="Engines"/> are fetched.</summary>
    public FetchOptions Fetch { get; set; } = new();

    /// <summary>Package sources (deb822) from which root file systems are made.</summary>
    public string AptSources { get; set; } = "";

    /// <summary>Recipe name → reference in the site's registry, used instead of building.</summary>
    public IDictionary<string, string> Named { get; } = new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>Validates at startup and names the invalid setting.</summary>
public sealed class ImagesOptionsCheck : IValidateOptions<ImagesOptions>
{
    public ValidateOptionsResult Validate(string? name, ImagesOptions options)
    {
        var wrong = new[] { (nameof(options.Recipes), options.Recipes), (nameof(options.Engines), options.Engines),
            (nameof(options.AptSources), options.AptSources) }
            .Where(f => f.Item2.Length > 0 && !Path.IsPathFullyQualified(f.Item2)).Select(f => $"{ImagesOptions.Section}:{f.Item1} must be a full path.")
            .Concat(options.Named
                .Where(n => !ImageRecipe.IsName(n.Key) || string.IsNullOrWhiteSpace(n.Value))
                .Select(n => $"{ImagesOptions.Section}:Named:{n.Key} must name a registry image."))
            .ToList();
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
