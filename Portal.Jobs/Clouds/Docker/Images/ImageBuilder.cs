using System.Security.Cryptography;
using System.Text;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>
/// Builds images without needing a registry: roots by mmdebstrap, the others by Dockerfiles, on a bridge of its own. One build at a time in
/// this process, while registry images are pulled in parallel; if another installation builds the same image at the same time, both succeed and
/// either image can be used.
/// </summary>
public sealed class ImageBuilder(ContainerEngine containerEngine, Networks networks, Firewall firewall, Owned owned, ImagesOptions options,
    PackageSources sources, ArchiveFetcher fetcher, TimeProvider time) : IImageCloud, IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    public async Task<ImageLook> LookAsync(string name, CancellationToken cancel)
    {
        var (tag, depth) = (options.Named.TryGetValue(name, out var reference) ? TagOf(name, reference) : "", 0);
        if (reference is null)
        {
            var plan = await PlanAsync(name, cancel);
            if (plan.PackageCheck is { } check)
            {
                return new ImageLook("", 0, null) { PackageCheck = check };
            }

            (tag, depth) = (plan.Tag, plan.Chain.Count());
        }

        return new ImageLook(tag, depth, await IdAsync(tag, cancel) is { } id ? new BuiltImage(name, tag, id) : null);
    }

    /// <summary>The image, if it already exists. Throws like <see cref="LookAsync"/>.</summary>
    public async Task<BuiltImage?> FindAsync(string name, CancellationToken cancel) => (await LookAsync(name, cancel)).There;

    public async Task<BuiltImage> EnsureAsync(string name, IProgress<ImageProgress> progress, CancellationToken cancel)
    {
        var look = await LookAsync(name, cancel);
        while (look.PackageCheck is { } check)
        {
            await check.WaitAsync(cancel);
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
            return plan.PackageCheck is null ? await BuildAsync(plan, progress, cancel)
                : throw PackageFaults.Make(CloudFault.Unavailable, $"checking again whether the packages for image {name} can be fetched",
                    "The build will be retried automatically.");
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
            var (from, to) = Share(i, missing.Count, missing[0].Recipe.IsRoot);
            await MakeAsync(missing[i], new BuildListener(missing[i].Tag, from, to, progress), cancel);
        }

        progress.Report(new ImageProgress(100, "ready"));
        return await IdAsync(plan.Tag, cancel) is { } id
            ? new BuiltImage(plan.Name, plan.Tag, id)
            : throw ContainerEngineFaults.Make(CloudFault.Broken, $"image {plan.Tag} was built but is missing",
                "Someone removed it in the meantime: it is being rebuilt.");
    }

    /// <summary>Where the progress of the i-th of these images begins and ends, in percent. A root takes about a fifth of the time of
    /// an image built on it.</summary>
    public static (int From, int To) Share(int i, int count, bool root) =>
        !root || count == 1 ? (100 * i / count, 100 * (i + 1) / count)
        : i == 0 ? (0, 20)
        : (20 + 80 * (i - 1) / (count - 1), 20 + 80 * i / (count - 1));

    private async Task MakeAsync(ImagePlan plan, BuildListener listener, CancellationToken cancel)
    {
        if (plan.Parent is null)
        {
            await TagAsync(await new DebianRoot(containerEngine, options, time).MakeAsync(plan, listener, cancel), plan.Tag, cancel);
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
        await networks.CreateAsync(owned.BuildNetwork, owned.BuildBridge, subnet: null, egress: true, owned.Labels("build"), cancel);
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
            await containerEngine.CallAsync(c =>
                c.Images.BuildImageFromDockerfileAsync(parameters, context, null, null, new SynchronousProgress<JSONMessage>(listener.Hear), cancel), cancel);
            listener.Check(); // a later error arrives as a line of a response that began with 200
        }
        finally
        {
            await RemoveNetworkAsync();
        }
    }

    private async Task<BuiltImage> PullAsync(string name, string reference, IProgress<ImageProgress> progress, CancellationToken cancel)
    {
        var tag = TagOf(name, reference);
        var listener = new BuildListener(reference, 0, 100, progress)
        {
            Beginning = "fetching it from the registry",
            WhenRefused = $"Correct Images:Named:{name}, or the image in the registry; it is fetched again when the portal starts.",
        };
        // A reference without tag or digest would pull every tag of the repository.
        var whole = reference.Contains('@', StringComparison.Ordinal) || reference.LastIndexOf(':') > reference.LastIndexOf('/')
            ? reference
            : $"{reference}:latest";
        if (await IdAsync(whole, cancel) is null)
        {
            try
            {
                await containerEngine.CallAsync(c =>
                    c.Images.CreateImageAsync(new ImagesCreateParameters { FromImage = whole }, null,
                        new SynchronousProgress<JSONMessage>(listener.Hear), cancel), cancel);
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

    /// <summary>Tag under which a registry image is kept, so that it is found like the portal's own.</summary>
    private static string TagOf(string name, string reference) =>
        $"portal/{name}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(reference)))[..12]}";

    private async Task<string?> IdAsync(string tag, CancellationToken cancel)
    {
        try
        {
            return (await containerEngine.CallAsync(c => c.Images.InspectImageAsync(tag, cancel), cancel)).ID;
        }
        catch (CloudException e) when (e.Fault == CloudFault.Missing)
        {
            return null;
        }
    }

    private Task TagAsync(string image, string tag, CancellationToken cancel)
    {
        var colon = tag.LastIndexOf(':');
        return containerEngine.CallAsync(c =>
            c.Images.TagImageAsync(image, new ImageTagParameters { RepositoryName = tag[..colon], Tag = tag[(colon + 1)..] }, cancel), cancel);
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
            // The container engine is unavailable or a cancelled build's container is still attached: the next build reuses the network and removes it.
        }
    }
}
