using Microsoft.Extensions.Options;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>Section <c>Images</c>.</summary>
public sealed class ImagesOptions
{
    public const string Section = "Images";

    /// <summary>Folder of recipes, one folder a name, and SHA256SUMS of the archives.</summary>
    public string Recipes { get; set; } = "";

    /// <summary>Folder of archives that Debian lacks; empty or without an archive: the recipe's way of Debian's packages alone.</summary>
    public string Engines { get; set; } = "";

    /// <summary>How packages of archives that are not in <see cref="Engines"/> are fetched.</summary>
    public FetchOptions Fetch { get; set; } = new();

    /// <summary>Package sources (deb822) from which roots are made.</summary>
    public string AptSources { get; set; } = "";

    /// <summary>Name of a recipe → reference of a site's registry, taken instead of building.</summary>
    public IDictionary<string, string> Named { get; } = new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>Names the field that is wrong, at start.</summary>
public sealed class ImagesOptionsCheck : IValidateOptions<ImagesOptions>
{
    public ValidateOptionsResult Validate(string? name, ImagesOptions options)
    {
        var wrong = new[] { (nameof(options.Recipes), options.Recipes), (nameof(options.Engines), options.Engines), (nameof(options.AptSources), options.AptSources) }
            .Where(f => f.Item2.Length > 0 && !Path.IsPathFullyQualified(f.Item2)).Select(f => $"{ImagesOptions.Section}:{f.Item1} must be a full path.")
            .Concat(options.Named.Where(n => !ImageRecipe.IsName(n.Key) || string.IsNullOrWhiteSpace(n.Value)).Select(n => $"{ImagesOptions.Section}:Named:{n.Key} must name a registry image."))
            .ToList();
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
