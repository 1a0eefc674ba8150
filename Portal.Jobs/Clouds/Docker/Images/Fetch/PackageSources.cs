using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>Whether an archive that is not available locally can be assembled from fetched packages.</summary>
public abstract record FetchState
{
    /// <summary>It is being checked, which takes seconds; the task ends when that is done and never fails.</summary>
    public sealed record Checking(Task Answer) : FetchState;

    public sealed record Possible : FetchState;

    /// <param name="Fault">Why not, and what an operator can do.</param>
    public sealed record Impossible(CloudException Fault) : FetchState;
}

/// <summary>
/// Checks with pip and Maven, once for each archive and in the background, whether they reach a server. A failure is checked again after a wait that grows
/// each time, and immediately when the clients' configuration changes; the old result stays until there is a new one, so that the state does not flicker.
/// </summary>
public sealed class PackageSources
{
    /// <summary>Wait after the first failure; it doubles with each further one, up to <see cref="Longest"/>.</summary>
    public static readonly TimeSpan First = TimeSpan.FromMinutes(5), Longest = TimeSpan.FromHours(2);

    private readonly ImagesOptions _options;
    private readonly TimeProvider _time;
    private readonly ClientSettings _settings;
    private readonly PackageClient[] _clients;
    private readonly ILogger _log;
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    public PackageSources(ImagesOptions options, TimeProvider time, ILoggerFactory logs)
    {
        (_options, _time, _settings) = (options, time, new(options.Fetch));
        _clients = [new Pip(logs.CreateLogger<Pip>()), new Maven(logs.CreateLogger<Maven>())];
        _log = logs.CreateLogger<PackageSources>();
    }

    /// <summary>What is known now. Never waits.</summary>
    /// <param name="archive">Name of the file that is not available locally.</param>
    /// <param name="sum">Checksum of its lock, which identifies the result.</param>
    public FetchState Look(string archive, string sum, ArchiveLock wanted)
    {
        if (_options.Fetch.Folder.Length == 0)
        {
            return new FetchState.Impossible(
                Fault(archive, "downloads are turned off here", $"{AtHand(archive)}, or allow downloads: set Images:Fetch:Folder to a folder for them."));
        }

        lock (_known)
        {
            if (_known.Count == 0 && Directory.Exists(_options.Fetch.Folder))
            {
                ClientRun.RemoveOld(_options.Fetch.Folder);
            }

            if (!_known.TryGetValue(sum, out var known))
            {
                _known[sum] = known = new Known { Stamp = _settings.Stamp(), Check = CheckAsync(archive, wanted) };
            }

            if (known.Check is { IsCompleted: true } check)
            {
                Take(known, check.Result);
            }

            if (known is { Check: null, No: not null } && (_time.GetUtcNow() >= known.Due || _settings.Stamp() != known.Stamp))
            {
                (known.Stamp, known.Check) = (_settings.Stamp(), CheckAsync(archive, wanted));
            }

            return known.No is { } no ? new FetchState.Impossible(no)
                : known.Check is { } running ? new FetchState.Checking(running)
                : new FetchState.Possible();
        }
    }

    /// <summary>Fetching failed, which counts as a failed check.</summary>
    public void Failed(string sum, CloudException fault)
    {
        lock (_known)
        {
            Take(_known[sum], fault);
        }
    }

    public void Fetched(string sum)
    {
        lock (_known)
        {
            _known[sum].Failures = 0;
        }
    }

    internal PackageClient For(Distribution distribution) => _clients.First(c => c.Fetches(distribution));

    internal ClientRun Run(string parent) => new(_options.Fetch, _settings, _time, parent);

    /// <summary>The fault of a client that cannot fetch what an archive needs.</summary>
    internal static CloudException Fault(string archive, PackageClient client, string reason) => Fault(archive, $"{client.Name} cannot fetch it: {reason}",
        $"Configure a mirror or proxy in {client.Configuration}, or {char.ToLowerInvariant(AtHand(archive)[0])}{AtHand(archive)[1..]}; "
        + $"{client.Name} is tried again when that changes, and periodically.");

    private void Take(Known known, CloudException? no)
    {
        (known.Check, known.No) = (null, no);
        if (no is not null)
        {
            var wait = First * Math.Pow(2, Math.Min(known.Failures++, 10));
            known.Due = _time.GetUtcNow() + (wait < Longest ? wait : Longest);
        }
    }

    private async Task<CloudException?> CheckAsync(string archive, ArchiveLock wanted)
    {
        await Task.Yield();
        try
        {
            ClientRun.MakeParent(_options.Fetch.Folder);
            foreach (var sample in wanted.Sources.DistinctBy(For))
            {
                var client = For(sample);
                if (!client.Installed)
                {
                    return Fault(archive, $"{client.Name}, which would fetch it, is not installed",
                        $"Install it: apt-get install --no-install-recommends {client.Packages}; "
                        + $"or {char.ToLowerInvariant(AtHand(archive)[0])}{AtHand(archive)[1..]}.");
                }

                using var run = Run(_options.Fetch.Folder);
                if (await client.CheckAsync(sample, run, CancellationToken.None) is { } reason)
                {
                    return Fault(archive, client, reason);
                }
            }

            return null;
        }
        catch (CloudException e)
        {
            return e;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log.LogWarning("Could not check whether {Archive} can be fetched: {Error}", archive, e.Message);
            return Fault(archive, $"the download folder cannot be used ({e.Message})", "Correct Images:Fetch:Folder.");
        }
    }

    private static string AtHand(string archive) => $"Put {archive} into the folder that PORTAL_ENGINES (Images:Engines) names";

    private static CloudException Fault(string archive, string why, string help) =>
        PackageFaults.Make(CloudFault.Unavailable, $"{archive} is missing, and {why}.", help);

    private sealed class Known
    {
        public Task<CloudException?>? Check { get; set; }
        public CloudException? No { get; set; }
        public int Failures { get; set; }
        public DateTimeOffset Due { get; set; }
        public string Stamp { get; set; } = "";
    }
}
