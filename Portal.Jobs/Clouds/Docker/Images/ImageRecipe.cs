using System.Text.Json;
using System.Text.RegularExpressions;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>A recipe.json, as described in infra/images/README.md.</summary>
public sealed partial record ImageRecipe(
    string From, string? Suite, IReadOnlyList<string>? Packages, IReadOnlyList<string>? Exclude, IReadOnlyList<string>? Include, IReadOnlyList<string>? Changes,
    string? Dockerfile, IReadOnlyList<string>? Archives, string? Without)
{
    private static readonly JsonSerializerOptions Strict =
        new(JsonSerializerDefaults.Web) { UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow };

    /// <summary>Made of Debian packages by mmdebstrap, not on top of another image.</summary>
    public bool IsRoot => From == "debian";

    public static bool IsName(string name) => Name().IsMatch(name);

    /// <summary>Reads and checks; throws <see cref="CloudFault.Refused"/> naming what is wrong, Missing if there is no such recipe.</summary>
    public static async Task<ImageRecipe> LoadAsync(string recipes, string name, CancellationToken cancel)
    {
        if (!IsName(name) || recipes.Length == 0 || !File.Exists(Path.Combine(recipes, name, "recipe.json")))
        {
            throw ContainerEngineFaults.Make(CloudFault.Missing, $"there is no image recipe '{name}' in '{recipes}'",
                "Correct Images:Recipes, or name a registry image in Images:Named.");
        }

        try
        {
            await using var file = File.OpenRead(Path.Combine(recipes, name, "recipe.json"));
            var recipe = await JsonSerializer.DeserializeAsync<ImageRecipe>(file, Strict, cancel) ?? throw Wrong(name, "it is empty");
            return recipe.Fault() is { } fault ? throw Wrong(name, fault) : recipe;
        }
        catch (JsonException e)
        {
            throw Wrong(name, e.Message);
        }
    }

    private string? Fault() => this switch
    {
        { From: null or "" } => "'from' is missing",
        { IsRoot: true, Suite: null or "" } => "'suite' is missing",
        { IsRoot: true } when Packages?.Any(p => !Package().IsMatch(p)) == true => "a name in 'packages' is not a package name",
        { IsRoot: true } when !Package().IsMatch(Suite) => "'suite' is not a release name",
        { IsRoot: true } => null,
        _ when !IsName(From) => "'from' is neither debian nor the name of a recipe",
        { Dockerfile: null or "" } => "'dockerfile' is missing",
        _ when new[] { Dockerfile, Without ?? Dockerfile }.Concat(Archives ?? []).Any(f => Path.GetFileName(f) != f) =>
            "a file is given with a path instead of a plain name",
        _ => null,
    };

    private static CloudException Wrong(string name, string message) =>
        ContainerEngineFaults.Make(CloudFault.Refused, $"image recipe '{name}': {message}", "Fix its recipe.json.");

    [GeneratedRegex("^[a-z][a-z0-9-]{0,30}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Name();

    [GeneratedRegex("^[a-z0-9][a-z0-9.+-]*$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Package();
}
