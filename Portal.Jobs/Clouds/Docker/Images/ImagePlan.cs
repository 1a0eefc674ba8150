using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>What is to be made of a recipe here and now: its tag says all that goes into it, so equal tags are equal images.</summary>
/// <param name="Parent">Null for a root.</param>
/// <param name="Dockerfile">The one chosen; null for a root.</param>
/// <param name="Archives">Full paths, checked.</param>
public sealed record ImagePlan(string Name, string Tag, ImageRecipe Recipe, ImagePlan? Parent, string? Dockerfile, IReadOnlyList<string> Archives)
{
    private const string Format = "1"; // raise it when the way of building changes
    private const int MostParents = 8;

    /// <summary>What must be there before this, and this.</summary>
    public IEnumerable<ImagePlan> Chain => (Parent?.Chain ?? []).Append(this);

    public static Task<ImagePlan> MakeAsync(ImagesOptions options, string name, CancellationToken cancel) => MakeAsync(options, name, 0, cancel);

    private static async Task<ImagePlan> MakeAsync(ImagesOptions options, string name, int depth, CancellationToken cancel)
    {
        var recipe = await ImageRecipe.LoadAsync(options.Recipes, name, cancel);
        if (depth > MostParents)
        {
            throw EngineFaults.Make(CloudFault.Refused, $"image recipe '{name}' stands on itself", "Mend 'from' in its recipe.json.");
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, Format);
        var folder = Path.Combine(options.Recipes, name);
        foreach (var file in BuildContext.Files(folder))
        {
            Add(hash, $"{Path.GetRelativePath(folder, file)} {File.GetUnixFileMode(file) & UnixFileMode.UserExecute}");
            Add(hash, await File.ReadAllBytesAsync(file, cancel));
        }

        if (recipe.IsRoot)
        {
            Add(hash, await SourcesAsync(options, cancel));
            return new ImagePlan(name, Tagged(name, hash), recipe, null, null, []);
        }

        var parent = await MakeAsync(options, recipe.From, depth + 1, cancel);
        Add(hash, parent.Tag);
        var archives = await ArchivesAsync(options, name, recipe, cancel);
        var dockerfile = archives is null ? recipe.Without! : recipe.Dockerfile!;
        Add(hash, dockerfile);
        foreach (var (_, sum) in archives ?? [])
        {
            Add(hash, sum);
        }

        return new ImagePlan(name, Tagged(name, hash), recipe, parent, dockerfile, [.. (archives ?? []).Select(a => a.Path)]);
    }

    /// <summary>Null when one is not there and the recipe has a way without.</summary>
    private static async Task<IReadOnlyList<(string Path, string Sum)>?> ArchivesAsync(ImagesOptions options, string name, ImageRecipe recipe, CancellationToken cancel)
    {
        var found = new List<(string, string)>();
        foreach (var archive in recipe.Archives ?? [])
        {
            var path = Path.Combine(options.Engines, archive);
            if (options.Engines.Length == 0 || !File.Exists(path))
            {
                return recipe.Without is { Length: > 0 } ? null
                    : throw EngineFaults.Make(CloudFault.Refused, $"image '{name}' needs {archive}, which is not here", "Put it into the folder that PORTAL_ENGINES (Images:Engines) names.");
            }

            var sum = await SumAsync(path, cancel);
            if (await NamedSumAsync(options.Recipes, archive, cancel) is var wanted && wanted != sum)
            {
                throw EngineFaults.Make(CloudFault.Refused, $"{path} is not the archive that the recipe means (its SHA-256 is {sum[..12]}…, SHA256SUMS says {wanted?[..12] ?? "nothing"}…)",
                    "Fetch the archive again, or take it away: then the image is made of Debian's packages alone.");
            }

            found.Add((path, sum));
        }

        return found;
    }

    private static async Task<string?> NamedSumAsync(string recipes, string archive, CancellationToken cancel)
    {
        var list = Path.Combine(recipes, "SHA256SUMS");
        var lines = File.Exists(list) ? await File.ReadAllLinesAsync(list, cancel) : [];
        return lines.Select(l => l.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).FirstOrDefault(w => w.Length == 2 && w[1].TrimStart('*') == archive && w[0].Length == 64)?[0];
    }

    /// <summary>Counted once for each state of the file: an archive has a hundred megabytes, and plans are made often.</summary>
    private static async Task<string> SumAsync(string path, CancellationToken cancel)
    {
        var key = (path, new FileInfo(path).Length, File.GetLastWriteTimeUtc(path));
        if (!Sums.TryGetValue(key, out var sum))
        {
            await using var file = File.OpenRead(path);
            Sums[key] = sum = Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancel));
        }

        return sum;
    }

    private static readonly ConcurrentDictionary<(string, long, DateTime), string> Sums = new();

    private static async Task<string> SourcesAsync(ImagesOptions options, CancellationToken cancel) => File.Exists(options.AptSources)
        ? await File.ReadAllTextAsync(options.AptSources, cancel)
        : throw EngineFaults.Make(CloudFault.Refused, "no package source is known from which images could be made", "Have a Debian mirror in this machine's apt sources (infra/run reads them), or name a registry's images in Images:Named.");

    private static void Add(IncrementalHash hash, string text) => Add(hash, Encoding.UTF8.GetBytes(text));

    private static void Add(IncrementalHash hash, byte[] bytes)
    {
        hash.AppendData(BitConverter.GetBytes(bytes.Length)); // so that no two lists of parts are the same run of bytes
        hash.AppendData(bytes);
    }

    private static string Tagged(string name, IncrementalHash hash) => $"portal/{name}:{Convert.ToHexStringLower(hash.GetHashAndReset())[..12]}";
}
