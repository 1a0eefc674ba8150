using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <param name="Path">Full path of the file, checked; null if it must be assembled from fetched packages.</param>
/// <param name="Sum">Checksum of the file, or of the lock from which it is assembled.</param>
public sealed record PlannedArchive(string Name, string? Path, string Sum);

/// <summary>How a recipe is built on this machine now: its tag covers all inputs, so equal tags mean equal images.</summary>
/// <param name="Parent">Null for a root.</param>
/// <param name="Dockerfile">The one chosen; null for a root.</param>
/// <param name="Archives">Archives that are put next to it in the build folder.</param>
public sealed record ImagePlan(string Name, string Tag, ImageRecipe Recipe, ImagePlan? Parent, string? Dockerfile, IReadOnlyList<PlannedArchive> Archives)
{
    private const string Format = "1"; // increase when the build procedure changes
    private const int MostParents = 8;

    /// <summary>The images that must exist before this one, and this one.</summary>
    public IEnumerable<ImagePlan> Chain => (Parent?.Chain ?? []).Append(this);

    /// <summary>Completes when it is known whether packages can be fetched; until then this is not a plan.</summary>
    public Task? PackageCheck { get; init; }

    /// <param name="there">Whether the container engine has an image of this tag: one once built from
    /// fetched packages is used even if they cannot be fetched any more.</param>
    public static Task<ImagePlan> MakeAsync(ImagesOptions options, PackageSources sources, Func<string, CancellationToken, Task<bool>> there,
        string name, CancellationToken cancel) =>
        new Planner(options, sources, there).MakeAsync(name, 0, cancel);

    /// <summary>What a plan is made from.</summary>
    private sealed record Planner(ImagesOptions Options, PackageSources Sources, Func<string, CancellationToken, Task<bool>> There)
    {
        public async Task<ImagePlan> MakeAsync(string name, int depth, CancellationToken cancel)
        {
            var recipe = await ImageRecipe.LoadAsync(Options.Recipes, name, cancel);
            if (depth > MostParents)
            {
                throw ContainerEngineFaults.Make(CloudFault.Refused, $"image recipe '{name}' is based on itself", "Fix 'from' in its recipe.json.");
            }

            List<byte[]> inputs = [Encoding.UTF8.GetBytes(Format)];
            var folder = Path.Combine(Options.Recipes, name);
            foreach (var file in BuildContext.Files(folder))
            {
                inputs.Add(Encoding.UTF8.GetBytes($"{Path.GetRelativePath(folder, file)} {File.GetUnixFileMode(file) & UnixFileMode.UserExecute}"));
                inputs.Add(await File.ReadAllBytesAsync(file, cancel));
            }

            if (recipe.IsRoot)
            {
                return new ImagePlan(name, Tagged(name, inputs, await SourcesAsync(Options, cancel)), recipe, null, null, []);
            }

            var parent = await MakeAsync(recipe.From, depth + 1, cancel);
            return parent.PackageCheck is { } check ? Undecided(name, recipe, parent, check) : await ChooseAsync(name, recipe, parent, inputs, cancel);
        }

        /// <summary>With all archives, local or fetched, if possible; otherwise without them, if the recipe allows it.</summary>
        private async Task<ImagePlan> ChooseAsync(string name, ImageRecipe recipe, ImagePlan parent, List<byte[]> inputs, CancellationToken cancel)
        {
            var (archives, locks) = (new List<PlannedArchive>(), new List<(string Archive, string Sum, ArchiveLock Lock)>());
            CloudException? lacks = null;
            foreach (var archive in recipe.Archives ?? [])
            {
                if (await HereAsync(Options, archive, cancel) is { } here)
                {
                    archives.Add(here);
                }
                else if (await LockAsync(Options, name, archive, cancel) is var (sum, locked))
                {
                    archives.Add(new PlannedArchive(archive, null, sum));
                    locks.Add((archive, sum, locked));
                }
                else
                {
                    lacks = NotHere(name, archive);
                }
            }

            var whole = new ImagePlan(name, Tagged(name, inputs, [parent.Tag, recipe.Dockerfile!, .. archives.Select(a => a.Sum)]), recipe, parent,
                recipe.Dockerfile, archives);
            if (lacks is null && locks.Count > 0 && !await There(whole.Tag, cancel))
            {
                var states = locks.ConvertAll(l => Sources.Look(l.Archive, l.Sum, l.Lock));
                lacks = states.OfType<FetchState.Impossible>().FirstOrDefault()?.Fault;
                if (lacks is null && states.OfType<FetchState.Checking>().FirstOrDefault() is { Answer: var check })
                {
                    return Undecided(name, recipe, parent, check);
                }
            }

            return lacks is null ? whole
                : recipe.Without is { Length: > 0 } without ? new ImagePlan(name, Tagged(name, inputs, parent.Tag, without), recipe, parent, without, [])
                : throw lacks;
        }

        private static ImagePlan Undecided(string name, ImageRecipe recipe, ImagePlan parent, Task check) =>
            new(name, "", recipe, parent, null, []) { PackageCheck = check };
    }

    private static CloudException NotHere(string name, string archive) =>
        ContainerEngineFaults.Make(CloudFault.Refused, $"image '{name}' needs {archive}, which is missing here",
        "Put it into the folder that PORTAL_ENGINES (Images:Engines) names, or name a prebuilt registry image (Images:Named).");

    private static async Task<PlannedArchive?> HereAsync(ImagesOptions options, string archive, CancellationToken cancel)
    {
        var path = Path.Combine(options.Engines, archive);
        if (options.Engines.Length == 0 || !File.Exists(path))
        {
            return null;
        }

        var sum = await SumAsync(path, cancel);
        return await NamedSumAsync(options.Recipes, archive, cancel) is var wanted && wanted == sum ? new PlannedArchive(archive, path, sum)
            : throw ContainerEngineFaults.Make(CloudFault.Refused,
                $"{path} is not the archive that the recipe expects (its SHA-256 is {sum[..12]}…, SHA256SUMS says {wanted?[..12] ?? "nothing"}…)",
                "Download the archive again, or remove it: the image is then built without it, if possible.");
    }

    /// <summary>The lock of an archive, and its checksum.</summary>
    internal static async Task<(string Sum, ArchiveLock Lock)?> LockAsync(ImagesOptions options, string name, string archive, CancellationToken cancel)
    {
        var file = Path.Combine(options.Recipes, name, ArchiveLock.NameOf(archive));
        return File.Exists(file) ? (await SumAsync(file, cancel), ArchiveLock.Read(Path.GetFileName(file), await File.ReadAllLinesAsync(file, cancel))) : null;
    }

    private static async Task<string?> NamedSumAsync(string recipes, string archive, CancellationToken cancel)
    {
        var list = Path.Combine(recipes, "SHA256SUMS");
        var lines = File.Exists(list) ? await File.ReadAllLinesAsync(list, cancel) : [];
        return lines.Select(l => l.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .FirstOrDefault(w => w.Length == 2 && w[1].TrimStart('*') == archive && w[0].Length == 64)?[0];
    }

    /// <summary>Computed once for each state of the file, because archives have hundreds of megabytes and plans are made often.</summary>
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
        : throw ContainerEngineFaults.Make(CloudFault.Refused, "there is no package source to build images from",
            "Add a Debian mirror to this machine's apt sources (infra/run reads them), or name registry images in Images:Named.");

    private static string Tagged(string name, IEnumerable<byte[]> inputs, params IEnumerable<string> more)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var input in inputs.Concat(more.Select(Encoding.UTF8.GetBytes)))
        {
            hash.AppendData(BitConverter.GetBytes(input.Length)); // so that different lists of parts never produce the same bytes
            hash.AppendData(input);
        }

        return $"portal/{name}:{Convert.ToHexStringLower(hash.GetHashAndReset())[..12]}";
    }
}
