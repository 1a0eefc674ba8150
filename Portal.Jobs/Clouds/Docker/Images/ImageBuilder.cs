using System.Security.Cryptography;
using System.Text;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <param name="Name">Of the recipe.</param>
/// <param name="Tag">portal/name:hash of the recipe and its inputs.</param>
/// <param name="Id">sha256:… of the engine; what workspaces are made from.</param>
public sealed record BuiltImage(string Name, string Tag, string Id);

/// <param name="Tag">What it has or will have.</param>
/// <param name="Depth">How many images it is made of, itself included; 0 for one of a registry.</param>
/// <param name="There">Null when it has yet to be made.</param>
public sealed record ImageLook(string Tag, int Depth, BuiltImage? There)
{
    /// <summary>It is fetched, not built.</summary>
    public bool OfRegistry => Depth == 0 && Asking is null;

    /// <summary>While it is being found out whether packages can be fetched: ends when it is known, and nothing else of this holds until then.</summary>
    public Task? Asking { get; init; }
}

/// <summary>
/// Makes images where no registry need be: roots by mmdebstrap, what stands on them by Dockerfiles, on a bridge of its own. One build at a time in
/// this process, and what a registry has is fetched beside it; where another installation builds the same at the same time, both succeed, and either
/// image serves.
/// </summary>
public sealed class ImageBuilder(Engine engine, Networks networks, Firewall firewall, Owned owned, ImagesOptions options, PackageSources sources, ArchiveFetcher fetcher, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    /// <summary>What there is of an image and what it would take: quick, and nothing is made. Throws as <see cref="EnsureAsync"/> for a recipe that is wrong or lacks something.</summary>
    public async Task<ImageLook> LookAsync(string name, CancellationToken cancel)
    {
        var (tag, depth) = (options.Named.TryGetValue(name, out var reference) ? TagOf(name, reference) : "", 0);
        if (reference is null)
        {
            var plan = await PlanAsync(name, cancel);
            if (plan.Asking is { } asking)
            {
                return new ImageLook("", 0, null) { Asking = asking };
            }

            (tag, depth) = (plan.Tag, plan.Chain.Count());
        }

        return new ImageLook(tag, depth, await IdAsync(tag, cancel) is { } id ? new BuiltImage(name, tag, id) : null);
    }

    /// <summary>The image, if it is there already. Throws as <see cref="LookAsync"/>.</summary>
    public async Task<BuiltImage?> FindAsync(string name, CancellationToken cancel) => (await LookAsync(name, cancel)).There;

    /// <summary>
    /// The image; what is missing of it is made, which takes minutes. Faults: Refused for a recipe, archive or build that is wrong (again only after
    /// something changed), Away for an engine, package source or registry that cannot be reached, Full for a disk.
    /// </summary>
    public async Task<BuiltImage> EnsureAsync(string name, IProgress<ImageProgress> progress, CancellationToken cancel)
    {
        var look = await LookAsync(name, cancel);
        while (look.Asking is { } asking)
        {
            await asking.WaitAsync(cancel);
            look = await LookAsync(name, cancel);
        }

        if (look.There is { } there)
        {
            return there;
        }

        if (options.Named.TryGetValue(name, out var reference))
        {
            return await PullAsync(name, reference, progress, cancel);
        }

        await _one.WaitAsync(cancel);
        try
        {
            var plan = await PlanAsync(name, cancel);
            return plan.Asking is null ? await BuildAsync(plan, progress, cancel)
                : throw PackageFaults.Make(CloudFault.Away, $"checking again whether the packages of image {name} can be fetched", "It is retried automatically.");
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private Task<ImagePlan> PlanAsync(string name, CancellationToken cancel) =>
        ImagePlan.MakeAsync(options, sources, async (tag, stop) => await IdAsync(tag, stop) is not null, name, cancel);

    private async Task<BuiltImage> BuildAsync(ImagePlan plan, IProgress<ImageProgress> progress, CancellationToken cancel)
    {
        var missing = new List<ImagePlan>();
        foreach (var part in plan.Chain)
        {
            if (await IdAsync(part.Tag, cancel) is null)
            {
                missing.Add(part);
            }
        }

        for (var i = 0; i < missing.Count; i++)
        {
            // A root takes about a fifth of what stands on it.
            var (from, to) = missing.Count == 1 ? (0, 100) : i == 0 && missing[0].Recipe.IsRoot ? (0, 20) : (20 + 80 * (i - 1) / (missing.Count - 1), 20 + 80 * i / (missing.Count - 1));
            await MakeAsync(missing[i], new BuildListener(missing[i].Tag, from, to, progress, time), cancel);
        }

        progress.Report(new ImageProgress(100, "ready"));
        return await IdAsync(plan.Tag, cancel) is { } id
            ? new BuiltImage(plan.Name, plan.Tag, id)
            : throw EngineFaults.Make(CloudFault.Broken, $"image {plan.Tag} was built but is missing", "Someone removed it in the meantime: it is being rebuilt.");
    }

    private async Task MakeAsync(ImagePlan plan, BuildListener listener, CancellationToken cancel)
    {
        if (plan.Parent is null)
        {
            await TagAsync(await new DebianRoot(engine, options, time).MakeAsync(plan, listener, cancel), plan.Tag, cancel);
            return;
        }

        var archives = new List<string>();
        foreach (var archive in plan.Archives)
        {
            archives.Add(archive.Path ?? await FetchAsync(plan, archive, listener, cancel));
        }

        await BuildOnAsync(plan, plan.Parent, archives, listener, cancel);
        foreach (var archive in plan.Archives.Where(a => a.Path is null))
        {
            fetcher.Forget(archive.Name, archive.Sum);
        }
    }

    private async Task<string> FetchAsync(ImagePlan plan, PlannedArchive archive, BuildListener listener, CancellationToken cancel) =>
        await fetcher.MakeAsync(archive.Name, archive.Sum, (await ImagePlan.LockAsync(options, plan.Name, archive.Name, cancel))!.Value.Lock, listener, cancel);

    private async Task BuildOnAsync(ImagePlan plan, ImagePlan parent, IReadOnlyList<string> archives, BuildListener listener, CancellationToken cancel)
    {
        await firewall.EnsureAsync(cancel);
        await networks.CreateAsync(owned.BuildNetwork, owned.BuildBridge, subnet: null, wayOut: true, owned.Labels("build"), cancel);
        try
        {
            var parameters = new ImageBuildParameters
            {
                Tags = [plan.Tag],
                Dockerfile = plan.Dockerfile,
                BuildArgs = new Dictionary<string, string>(StringComparer.Ordinal) { ["BASE"] = parent.Tag },
                Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["portal.image"] = plan.Name },
                NetworkMode = owned.BuildNetwork,
                Remove = true,
                ForceRemove = true,
            };
            await using var context = BuildContext.Open(Path.Combine(options.Recipes, plan.Name), archives, cancel);
            await engine.AskAsync(c => c.Images.BuildImageFromDockerfileAsync(parameters, context, null, null, new AtOnce<JSONMessage>(listener.Hear), cancel), cancel);
            listener.Check(); // an error in mid-way comes as a line of an answer that began with 200
        }
        finally
        {
            await RemoveNetworkAsync();
        }
    }

    private async Task<BuiltImage> PullAsync(string name, string reference, IProgress<ImageProgress> progress, CancellationToken cancel)
    {
        var tag = TagOf(name, reference);
        var listener = new BuildListener(reference, 0, 100, progress, time)
        {
            Beginning = "fetching it from the registry",
            WhenRefused = $"Correct Images:Named:{name}, or the image in the registry; it is fetched again when the portal starts.",
        };
        // A reference without tag or digest would fetch every tag of the repository.
        var whole = reference.Contains('@', StringComparison.Ordinal) || reference.LastIndexOf(':') > reference.LastIndexOf('/') ? reference : $"{reference}:latest";
        if (await IdAsync(whole, cancel) is null)
        {
            try
            {
                await engine.AskAsync(c => c.Images.CreateImageAsync(new ImagesCreateParameters { FromImage = whole }, null, new AtOnce<JSONMessage>(listener.Hear), cancel), cancel);
            }
            catch (CloudException e) when (e.Fault is CloudFault.Broken or CloudFault.Missing)
            {
                throw listener.Fault(e.Message);
            }

            listener.Check();
        }

        await TagAsync(whole, tag, cancel);
        return await IdAsync(tag, cancel) is { } id ? new BuiltImage(name, tag, id) : throw listener.Fault("it was fetched but is missing");
    }

    /// <summary>Tag under which a registry's image is kept, so that it is found as the portal's own are.</summary>
    private static string TagOf(string name, string reference) => $"portal/{name}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(reference)))[..12]}";

    private async Task<string?> IdAsync(string tag, CancellationToken cancel)
    {
        try
        {
            return (await engine.AskAsync(c => c.Images.InspectImageAsync(tag, cancel), cancel)).ID;
        }
        catch (CloudException e) when (e.Fault == CloudFault.Missing)
        {
            return null;
        }
    }

    private Task TagAsync(string image, string tag, CancellationToken cancel)
    {
        var colon = tag.LastIndexOf(':');
        return engine.AskAsync(c => c.Images.TagImageAsync(image, new ImageTagParameters { RepositoryName = tag[..colon], Tag = tag[(colon + 1)..] }, cancel), cancel);
    }

    private async Task RemoveNetworkAsync()
    {
        try
        {
            foreach (var network in await networks.ListAsync(owned.Mine("build"), CancellationToken.None))
            {
                await networks.RemoveAsync(network.ID, CancellationToken.None);
            }
        }
        catch (CloudException)
        {
            // The engine is away or a cancelled build's container is still on it: the next build takes the network as it is, and removes it.
        }
    }
}
