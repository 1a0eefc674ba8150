using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <param name="Path">Full path of the file, checked; null when it is to be put together from package indexes.</param>
/// <param name="Sum">Of the file, or of the lock by which it is put together.</param>
public sealed record PlannedArchive(string Name, string? Path, string Sum);

/// <summary>What is to be made of a recipe here and now: its tag says all that goes into it, so equal tags are equal images.</summary>
/// <param name="Parent">Null for a root.</param>
/// <param name="Dockerfile">The one chosen; null for a root.</param>
/// <param name="Archives">What lies beside it in the build folder.</param>
public sealed record ImagePlan(string Name, string Tag, ImageRecipe Recipe, ImagePlan? Parent, string? Dockerfile, IReadOnlyList<PlannedArchive> Archives)
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
        foreach (var archive in archives ?? [])
        {
            Add(hash, archive.Sum);
        }

        return new ImagePlan(name, Tagged(name, hash), recipe, parent, dockerfile, archives ?? []);
    }

    /// <summary>Null when one cannot be had and the recipe has a way without.</summary>
    private static async Task<IReadOnlyList<PlannedArchive>?> ArchivesAsync(ImagesOptions options, string name, ImageRecipe recipe, CancellationToken cancel)
    {
        var found = new List<PlannedArchive>();
        foreach (var archive in recipe.Archives ?? [])
        {
            if (await HereAsync(options, archive, cancel) is { } here)
            {
                found.Add(here);
            }
            else if (await LockAsync(options, name, archive, cancel) is var (sum, locked) && locked.Sources.All(s => PackageIndexes.Knows(options, s)))
            {
                found.Add(new PlannedArchive(archive, null, sum));
            }
            else
            {
                return recipe.Without is { Length: > 0 } ? null : throw NotHere(name, archive);
            }
        }

        return found;
    }

    private static CloudException NotHere(string name, string archive) => EngineFaults.Make(CloudFault.Refused, $"image '{name}' needs {archive}, which is not here",
        "Put it into the folder that PORTAL_ENGINES (Images:Engines) names, or name a package index (Images:Index, Images:Maven) or a finished image of a registry (Images:Named).");

    private static async Task<PlannedArchive?> HereAsync(ImagesOptions options, string archive, CancellationToken cancel)
    {
        var path = Path.Combine(options.Engines, archive);
        if (options.Engines.Length == 0 || !File.Exists(path))
        {
            return null;
        }

        var sum = await SumAsync(path, cancel);
        return await NamedSumAsync(options.Recipes, archive, cancel) is var wanted && wanted == sum ? new PlannedArchive(archive, path, sum)
            : throw EngineFaults.Make(CloudFault.Refused, $"{path} is not the archive that the recipe means (its SHA-256 is {sum[..12]}…, SHA256SUMS says {wanted?[..12] ?? "nothing"}…)",
                "Fetch the archive again, or take it away: then the image is made without it, where that can be.");
    }

    /// <summary>The lock of an archive, and its sum.</summary>
    internal static async Task<(string Sum, ArchiveLock Lock)?> LockAsync(ImagesOptions options, string name, string archive, CancellationToken cancel)
    {
        var file = Path.Combine(options.Recipes, name, ArchiveLock.NameOf(archive));
        return File.Exists(file) ? (await SumAsync(file, cancel), ArchiveLock.Read(Path.GetFileName(file), await File.ReadAllLinesAsync(file, cancel))) : null;
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
